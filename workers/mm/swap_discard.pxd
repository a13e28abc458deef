"""Clusters whose blocks the device is told to forget before they are used again (kernel: mm/swapfile.c, swap_discard_work)."""
from libc.stdint cimport uint32_t
from shm.swapfile cimport swap_info_struct
from workers.cpu cimport Cpu

cdef bint swap_do_scheduled_discard(Cpu cpu, swap_info_struct *si) noexcept nogil
cdef bint swap_sync_discard(Cpu cpu) noexcept nogil
cdef void flush_discard_work(Cpu cpu, swap_info_struct *si) noexcept nogil
cdef void serve_discards(Cpu cpu) noexcept nogil
