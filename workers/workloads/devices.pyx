"""A device under load: all of memory brought back from it, and the device itself taken away and brought back."""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu, random_u64
from workers.operations.fault cimport access_page
from workers.operations.fork_exit cimport mm_init
from workers.operations.madvise cimport madvise_pageout
from workers.operations.swapoff cimport swapoff, swapon
from workers.mm.protocol cimport Protocol
from workers.workloads.workload cimport Workload, home_memcg, populate

cdef enum:
    PAGEOUT_PAGES = 512  # of one step of zram_swapin
    RANGE_PAGES = 16  # of a pageout of swapoff_loop, which
    PAGEOUT_EVERY = 64  # accesses come before


cdef class ZramSwapin(Workload):
    """Swap-in of 1 GiB: all pages are swapped out, and every CPU loads its share of them in order; then the share is
    paged out again."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        mm_init(cpu, 0, home_memcg(cpu, 0))
        populate(cpu, p, 0, self.pages)
        madvise_pageout(cpu, p, 0, 0, self.pages)

    cdef void reset(self, Cpu cpu) noexcept nogil:
        Workload.reset(self, cpu)
        self.share = (self.pages + self.cpus - 1) // self.cpus
        self.leaving = False

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t first = cpu.id * self.share
        cdef uint32_t end = first + self.share if first + self.share < self.pages else self.pages
        cdef uint32_t page = first + self.at, stop
        if page >= end:  # no share at all where there are more CPUs than pages
            self.at = 0
            self.leaving = not self.leaving
        elif self.leaving:
            stop = page + PAGEOUT_PAGES if page + PAGEOUT_PAGES < end else end
            madvise_pageout(cpu, p, 0, page, stop)
            self.at += stop - page
        else:
            access_page(cpu, p, 0, page, False)
            self.at += 1


cdef class SwapoffLoop(Workload):
    """CPU 0 takes the device away, brings it back and fills it, again and again; threads of one mm use it meanwhile. Memory
    holds all pages, so that a swapoff can come to its end."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        mm_init(cpu, 0, home_memcg(cpu, 0))
        populate(cpu, p, 0, self.pages)
        madvise_pageout(cpu, p, 0, 0, self.pages)

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t page, end
        if cpu.id == 0:
            swapoff(cpu, p, 0)
            swapon(cpu, 0)
            madvise_pageout(cpu, p, 0, 0, self.pages)
        elif random_u64(cpu) % PAGEOUT_EVERY == 0:
            page = <uint32_t>(random_u64(cpu) % self.pages)
            end = page + RANGE_PAGES if page + RANGE_PAGES < self.pages else self.pages
            madvise_pageout(cpu, p, 0, page, end)
        else:
            access_page(cpu, p, 0, self.next_page(cpu), self.stores(cpu))
