"""What all workloads have: a walk over pages, in order, at random, or some more often than others, and a share of stores.

Zipf with exponent 0.99: Gray, Sundaresan, Englert, Baclawski, Weinberger, Quickly Generating Billion-Record Synthetic
Databases, SIGMOD 1994, as YCSB uses it.
"""
from libc.math cimport pow
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu, random_u64
from workers.operations.fault cimport access_page
from workers.mm.protocol cimport Protocol

from math import gcd

cdef double THETA = 0.99


cdef void populate(Cpu cpu, Protocol p, uint32_t mm, uint32_t pages) noexcept nogil:
    """Store to every page once, so that each has contents; what memory does not hold is swapped out."""
    cdef uint32_t page
    for page in range(pages):
        access_page(cpu, p, mm, page, True)


def stride_over(pages: int) -> int:
    """The step of a walk that meets every page once, and neighbours far apart."""
    stride = max(1, int(pages * 0.618))
    while gcd(stride, pages) != 1:
        stride += 1
    return stride


cdef class Workload:
    """Abstract. `shape` gives cpus, pages of one mm, mms; `spec` the share of stores and the order of the walk."""

    def __init__(self, spec, shape):
        self.cpus = shape.cpus
        self.pages = shape.pages
        self.mms = shape.mms
        self.store_percent = spec.store_percent
        self.random = spec.access == "random"
        self.zipf = spec.access == "zipf"
        if self.zipf:
            for rank in range(1, self.pages + 1):
                self.zeta += pow(rank, -THETA)
            self.stride = stride_over(self.pages)
            if self.pages > 2:  # the first two ranks need no estimate
                self.eta = (1 - pow(2.0 / self.pages, 1 - THETA)) / (1 - (1 + pow(2.0, -THETA)) / self.zeta)

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
        if self.zipf:
            return self.zipf_page(<double>(random_u64(cpu) >> 11) * (1.0 / 9007199254740992.0))
        self.at = (self.at + 1) % self.pages
        return page

    cdef uint32_t zipf_page(self, double u) noexcept nogil:
        """The page of a rank that is drawn with weight 1 / (rank + 1)^0.99, for a draw of u in [0, 1)."""
        cdef uint32_t rank
        if u * self.zeta < 1:
            rank = 0
        elif u * self.zeta < 1 + pow(2.0, -THETA):
            rank = 1
        else:
            rank = <uint32_t>(self.pages * pow(self.eta * u - self.eta + 1, 1 / (1 - THETA)))
        if rank >= self.pages:
            rank = self.pages - 1
        return <uint32_t>(<unsigned long long>rank * self.stride % self.pages)

    def page_of(self, double u) -> int:
        """What zipf_page makes of a draw of u in [0, 1)."""
        return self.zipf_page(u)

    cdef bint stores(self, Cpu cpu) noexcept nogil:
        return random_u64(cpu) % 100 < self.store_percent
