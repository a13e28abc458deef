"""swp_entry_t: where a page lies in swap (kernel: include/linux/swapops.h, 64-bit).

     63   62    58 57                                  0
    +---+--------+-------------------------------------+
    | 0 |  type  |               offset                |    0: no entry
    +---+--------+-------------------------------------+
"""
from libc.stdint cimport uint32_t, uint64_t

ctypedef uint64_t swp_entry_t

cdef enum:
    SWP_TYPE_SHIFT = 58

cdef inline swp_entry_t swp_entry(uint32_t swp_type, uint64_t offset) noexcept nogil:
    return (<uint64_t>swp_type << SWP_TYPE_SHIFT) | offset

cdef inline uint32_t swp_type(swp_entry_t entry) noexcept nogil:
    return <uint32_t>(entry >> SWP_TYPE_SHIFT) & 0x1F

cdef inline uint64_t swp_offset(swp_entry_t entry) noexcept nogil:
    return entry & ((<uint64_t>1 << SWP_TYPE_SHIFT) - 1)
