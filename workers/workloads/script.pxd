"""A script: what one CPU does, step by step, and what came of each step."""
from libc.stdint cimport int64_t, uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef enum:
    SCRIPT_LOAD = 0
    SCRIPT_STORE
    SCRIPT_PAGEOUT
    SCRIPT_DONTNEED
    SCRIPT_RECLAIM
    SCRIPT_MM_INIT
    SCRIPT_FORK
    SCRIPT_EXIT
    SCRIPT_SWAPOFF
    SCRIPT_SWAPON
    SCRIPT_INJECT
    SCRIPT_ATTACH
    SCRIPT_MEMORY_MAX
    SCRIPT_SWAP_MAX
    SCRIPT_MEMCG_OFFLINE
    SCRIPT_MEMCG_ONLINE
    SCRIPT_COLD
    SCRIPT_WILLNEED
    SCRIPT_FREE
    SCRIPT_MOVE
    SCRIPT_SHMEM_READ
    SCRIPT_SHMEM_WRITE
    SCRIPT_SHMEM_TRUNCATE
    SCRIPT_ZSWAP_WRITEBACK
    SCRIPT_MUNMAP
    SCRIPT_MMAP
    ESRCH = -3  # of a step: the mm is not alive

cdef struct script_step:
    uint32_t operation
    uint32_t mm  # or inode, or device
    uint32_t first  # page, child, or number
    uint32_t end  # or where a page is moved to
    int64_t result
    uint32_t done
    uint32_t memcg

cdef class Script:
    cdef object buf
    cdef Py_buffer view
    cdef script_step *steps
    cdef readonly uint32_t length

    cdef int64_t access(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil
    cdef int64_t advise(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil
    cdef int64_t on_mm(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil
    cdef int64_t on_file(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil
    cdef int64_t on_memcg(self, Cpu cpu, script_step *s) noexcept nogil
    cdef int64_t one(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil
    cdef void play(self, Cpu cpu, Protocol p) noexcept nogil
