"""Holes in files of tmpfs."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef void shmem_truncate(Cpu cpu, Protocol p, uint32_t inode, uint32_t first, uint32_t end) noexcept nogil
