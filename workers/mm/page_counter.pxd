"""Counters of pages in a tree of memcgs: what is charged below is charged above (kernel: mm/page_counter.c)."""
from libc.stdint cimport int64_t, uint32_t
from shm.memcg cimport page_counter
from workers.cpu cimport Cpu

cdef bint page_counter_try_charge(Cpu cpu, uint32_t memcg, int which, int64_t nr, uint32_t *over) noexcept nogil
cdef void page_counter_charge(Cpu cpu, uint32_t memcg, int which, int64_t nr) noexcept nogil
cdef void page_counter_uncharge(Cpu cpu, uint32_t memcg, int which, int64_t nr) noexcept nogil

cdef inline uint32_t parent_mem_cgroup(Cpu cpu, uint32_t memcg) noexcept nogil:
    """0 above a memcg of the first level. Context: none; set at format."""
    return cpu.m.memcgs[memcg].parent

cdef inline page_counter *counter_of(Cpu cpu, uint32_t memcg, int which) noexcept nogil:
    """COUNTER_* of a memcg. Context: none; both fields are atomic."""
    return &cpu.m.memcgs[memcg].counters[which]
