"""Real kernels: what the emulator's races say, tried in the kernels that they speak of.

A kernel of each version is fetched from its distribution, never kept here, and booted in qemu with one of the
programs of `guest/` as its only process. A guest is emulated instruction by instruction: it tells what happens, and
which sleeps last for ticks of its timer, and nothing else of time. This package imports nothing of ours.
"""
