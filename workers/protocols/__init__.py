"""Who may bring a slot in: the subject. One protocol a file, each with the methods that differ, in one order.

A protocol decides who wins; how losers wait is the CPU's to do. No protocol knows workloads or executors.
"""
