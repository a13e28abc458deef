"""Which devices allocation may ask, and how full they are (kernel: mm/swapfile.c, swap_avail_heads, swap_usage_add)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from shm.swapfile cimport swap_info_struct

cdef enum:
    NO_DEVICE = 0xFFFFFFFF

cdef void swap_usage_add(Cpu cpu, swap_info_struct *si, uint32_t nr) noexcept nogil
cdef void swap_usage_sub(Cpu cpu, swap_info_struct *si, uint32_t nr) noexcept nogil
cdef void del_from_avail_list(Cpu cpu, swap_info_struct *si, bint swapoff) noexcept nogil
cdef void add_to_avail_list(Cpu cpu, swap_info_struct *si, bint swapon) noexcept nogil
cdef uint32_t next_device(Cpu cpu, uint32_t *tried) noexcept nogil
