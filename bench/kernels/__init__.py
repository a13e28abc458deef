"""Real kernels: what the emulator's races say, tried in the kernels that they speak of.

A kernel of each version is fetched from its distribution, never kept here, and booted in qemu with one of the programs of
`guest/` as its only process. A guest is emulated instruction by instruction: it tells what happens, and nothing of time.
Nothing but `bench` imports this package, and it imports nothing of ours.
"""
