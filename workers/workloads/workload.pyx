"""What all workloads have: a walk over pages, in order or at random, and a share of stores."""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu, random_u64
from workers.mm.protocol cimport Protocol


cdef class Workload:
    """Abstract. `shape` gives cpus, pages of one mm, mms; `spec` the share of stores and the order of the walk."""

    def __init__(self, spec, shape):
        self.cpus = shape.cpus
        self.pages = shape.pages
        self.mms = shape.mms
        self.store_percent = spec.store_percent
        self.random = spec.access == "random"

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        """Make the mms. Run once, by CPU 0, before anybody's first step."""

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        """One operation of this CPU."""

    cdef void reset(self, Cpu cpu) noexcept nogil:
        """Back to where `prepare` left this CPU."""
        self.at = 0

    cdef uint32_t next_page(self, Cpu cpu) noexcept nogil:
        cdef uint32_t page = self.at
        if self.random:
            return <uint32_t>(random_u64(cpu) % self.pages)
        self.at = (self.at + 1) % self.pages
        return page

    cdef bint stores(self, Cpu cpu) noexcept nogil:
        return random_u64(cpu) % 100 < self.store_percent
