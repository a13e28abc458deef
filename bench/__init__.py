"""Benchmarks against the floor: what the core costs beside C, and beside plain Python. Never a test.

`python -m bench` runs them in interleaved pairs and prints ratios with their circumstances; README.md keeps figures.
"""
