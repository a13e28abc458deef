"""Who has which cache line: a direct-mapped table of lines, 32 bytes each, as much as fits a core's own cache.

    line    number of the line in the segment; another one that falls on the same entry replaces it
    owner   CPU + 1 that has written it last, 0: nobody yet
    copies  one bit for each group of CPUs that has read it since: a group is one CPU up to 64 CPUs, then 2, 4, ... 16
    free_at virtual ns at which the transfer that was asked for last is done: writers of one line follow one another

A line that is not in the table is nobody's: its first access is charged as one of the CPU's own, for what has to come
from memory is no matter of protocols. Readers do not wait for one another.
"""
from libc.stdint cimport uint32_t, uint64_t
from workers.simulation.costs cimport OTHER_SOCKET, SAME_SOCKET, costs_t, distance

cdef enum:
    LINE_SHIFT = 6
    TABLE_BITS = 15

cdef struct line_t:
    uint32_t line
    uint32_t owner
    uint64_t copies
    uint64_t free_at
    uint64_t pad

cdef inline line_t *line_of(line_t *table, uint64_t offset) noexcept nogil:
    """The entry of the line that holds the byte at `offset` of the segment, emptied if it was another line's."""
    cdef uint64_t line = offset >> LINE_SHIFT
    cdef line_t *at = &table[(line * <uint64_t>0x9E3779B97F4A7C15) >> (64 - TABLE_BITS)]
    if at.line != <uint32_t>line:
        at.line = <uint32_t>line
        at.owner = 0
        at.copies = 0
        at.free_at = 0
    return at

cdef inline uint64_t read_line(line_t *at, const costs_t *c, uint32_t cpu, uint64_t group) noexcept nogil:
    """Cost of a read by `cpu`, whose group's bit is `group`."""
    cdef uint64_t cost = c.shared
    if at.copies & group:
        return cost
    if at.owner != 0:
        cost = c.line[distance(c, cpu, at.owner - 1)]
    at.copies |= group
    return cost

cdef inline uint64_t own_line(line_t *at, const costs_t *c, uint32_t cpu, uint64_t group, uint64_t low) noexcept nogil:
    """Cost of getting the line alone: from its owner, or from the farthest of those that have a copy.

    `low`: bits of the groups of the CPU's own socket.
    """
    cdef int far
    cdef uint32_t owner = at.owner
    if at.copies & ~group == 0 and (owner == cpu + 1 or owner == 0):
        at.owner = cpu + 1
        at.copies = group
        return c.own
    far = distance(c, cpu, owner - 1) if owner else SAME_SOCKET
    if at.copies & ~group:
        far = OTHER_SOCKET if at.copies & ~low else (SAME_SOCKET if far < SAME_SOCKET else far)
    at.owner = cpu + 1
    at.copies = group
    return c.line[far]
