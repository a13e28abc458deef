"""What a CPU can be told to do: fault, reclaim, swapoff, fork, exit, madvise. Each complete with its error paths.

An operation knows protocols by their steps only; it knows no workload and no executor.
"""
