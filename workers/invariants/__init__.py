"""The laws: what must hold of a segment, whatever the protocol. One law a file, a pure function of memory.

A law reads and tells; it writes nothing, takes no lock and knows no executor. Who calls it sees to it that memory is at
rest: all CPUs parked outside any operation and the disks drained, or, for `on_cluster`, the lock of that cluster held.
"""
