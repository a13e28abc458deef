"""The three shapes that swap-in is measured with: threads of one mm, forked mms, and memory of one's own.

All mms are in one memcg that holds half of their pages (an eighth with usemem), unless the run says otherwise: what a
CPU wants next has been swapped out by the time it wants it.
"""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu
from workers.operations.fault cimport access_page
from workers.operations.fork_exit cimport exit_mm, fork_mm, mm_init
from workers.mm.protocol cimport Protocol
from workers.workloads.workload cimport Workload, home_memcg, populate


cdef class ThreadFault(Workload):
    """Threads of one mm walk the same pages: whoever is ahead faults, the others catch up and collide with it."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        mm_init(cpu, 0, home_memcg(cpu, 0))
        populate(cpu, p, 0, self.pages)

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        access_page(cpu, p, 0, self.next_page(cpu), self.stores(cpu))


cdef class ForkFault(Workload):
    """A parent that stores, and children that read its pages as they were: a snapshot (BGSAVE), forked anew when done."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t child
        mm_init(cpu, 0, home_memcg(cpu, 0))
        populate(cpu, p, 0, self.pages)
        for child in range(1, self.cpus):
            fork_mm(cpu, p, 0, child)

    cdef void reset(self, Cpu cpu) noexcept nogil:
        Workload.reset(self, cpu)
        self.gone = False

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t page
        if cpu.id == 0:
            access_page(cpu, p, 0, self.next_page(cpu), self.stores(cpu))
            return
        if self.gone:
            self.gone = fork_mm(cpu, p, 0, cpu.id) < 0
            return
        page = self.next_page(cpu)
        access_page(cpu, p, cpu.id, page, False)
        if page == self.pages - 1:
            exit_mm(cpu, p, cpu.id)
            self.gone = True


cdef class Usemem(Workload):
    """Every CPU walks memory of its own (vm-scalability's usemem): no page is shared, slots are neighbours all the same."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t mm
        for mm in range(self.cpus):
            mm_init(cpu, mm, home_memcg(cpu, mm))
            populate(cpu, p, mm, self.pages)

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        access_page(cpu, p, cpu.id, self.next_page(cpu), self.stores(cpu))
