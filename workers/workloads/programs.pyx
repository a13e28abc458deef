"""Programs that swap is known for: a store that is saved while it is written to, and compilers that come and go."""
from libc.stdint cimport uint32_t

from shm.vmstat cimport EV_OPERATIONS
from workers.cpu cimport Cpu, count
from workers.operations.fault cimport access_page
from workers.operations.fork_exit cimport exit_mm, fork_mm, mm_init
from workers.mm.protocol cimport Protocol
from workers.workloads.trace cimport Recorded
from workers.workloads.workload cimport Workload, home_memcg, populate

cdef enum:
    MAKE = 0  # mm
    MAKE_PAGES = 256  # 1 MiB: what a make holds, and every one of its forks copies


cdef class Redis(Workload):
    """CPUs in pairs: a server that loads and stores keys, and the child of its BGSAVE, which reads every page once, exits,
    and is forked anew. The fork runs on the child's CPU; the server waits for it at its mmap_lock."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t server
        for server in range(0, self.cpus, 2):
            mm_init(cpu, server, home_memcg(cpu, server))
            populate(cpu, p, server, self.pages)

    cdef void reset(self, Cpu cpu) noexcept nogil:
        Workload.reset(self, cpu)
        self.saving = False

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        if cpu.id % 2 == 0:
            access_page(cpu, p, cpu.id, self.next_page(cpu), self.stores(cpu))
        elif not self.saving:
            count(cpu, EV_OPERATIONS)
            self.saving = fork_mm(cpu, p, cpu.id - 1, cpu.id) == 0
            self.saved = 0
        else:
            access_page(cpu, p, cpu.id, self.saved, False)
            self.saved += 1
            if self.saved == self.pages:
                exit_mm(cpu, p, cpu.id)
                self.saving = False


cdef class KernelBuild(Recorded):
    """make -jN: every CPU forks make, whose copy exec drops at once, compiles (the recording once through), exits, and
    takes up the next file."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        mm_init(cpu, MAKE, home_memcg(cpu, MAKE))
        populate(cpu, p, MAKE, MAKE_PAGES if MAKE_PAGES < self.pages else self.pages)

    cdef void reset(self, Cpu cpu) noexcept nogil:
        Workload.reset(self, cpu)
        self.compiling = False

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t mm = cpu.id + 1, reference
        if not self.compiling:
            count(cpu, EV_OPERATIONS)
            if fork_mm(cpu, p, MAKE, mm) == 0:
                exit_mm(cpu, p, mm)
            self.compiling = mm_init(cpu, mm, home_memcg(cpu, mm)) == 0
            self.next_reference = 0
            return
        reference = self.references[self.next_reference]
        access_page(cpu, p, mm, reference >> 1, reference & 1)
        self.next_reference += 1
        if self.next_reference == self.length:
            exit_mm(cpu, p, mm)
            self.compiling = False
