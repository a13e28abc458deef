"""A workload: what CPU number n does next."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef class Workload:
    cdef uint32_t cpus  # working ones
    cdef uint32_t pages  # of one mm
    cdef uint32_t mms
    cdef uint32_t store_percent
    cdef bint random
    cdef bint zipf
    cdef double zeta  # of zipf: the sum of all weights,
    cdef double eta
    cdef uint32_t stride  # and where the next rank lies: hot pages are spread over the address space
    cdef uint32_t at  # where this CPU is in its walk

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil
    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil
    cdef void reset(self, Cpu cpu) noexcept nogil
    cdef uint32_t next_page(self, Cpu cpu) noexcept nogil
    cdef uint32_t zipf_page(self, double u) noexcept nogil
    cdef bint stores(self, Cpu cpu) noexcept nogil

cdef void populate(Cpu cpu, Protocol p, uint32_t mm, uint32_t pages) noexcept nogil

cdef enum:
    MEMCG = 1  # of a run: the one with the limits, all others are below it

cdef inline uint32_t home_memcg(Cpu cpu, uint32_t mm) noexcept nogil:
    """Where an mm begins: in the children in turn, in the limited memcg itself when it has none."""
    return 2 + mm % <uint32_t>(cpu.m.geo.memcgs - 1) if cpu.m.geo.memcgs > 1 else MEMCG
