"""The CPUs: what is done to memory. Imports shm; never server.

`cpu` is the seam: everything above it is written once and does not know whether it runs as a process in real time or as
a stack that a scheduler switches to.
"""
