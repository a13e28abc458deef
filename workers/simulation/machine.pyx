"""One protocol on one number of CPUs: its segment, its CPUs, its virtual time from the first operation to the stop."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from shm.layout cimport layout_attach, layout_t, percpu_of
from shm.mm cimport PTE_ACCESSED, pte_present
from shm.percpu cimport percpu_t
from workers.executors.program cimport Program
from workers.mm.page_io cimport worker_leaves
from workers.simulation.simulated_cpu cimport SimulatedCpu
from workers.simulation.simulator cimport Simulator

import mmap

from workers.executors.control import figures, format_run
from workers.executors.program import Program as ProgramOf

cdef struct seat_t:  # borrowed from the machine's list
    void *program
    void *simulator
    uint32_t cpu
    bint prepares


cdef void seated(void *arg) noexcept nogil:
    """Where a CPU's stack begins."""
    cdef seat_t *seat = <seat_t *>arg
    if seat.prepares:
        (<Program>seat.program).prepare_here()
        worker_leaves((<Program>seat.program).cpu)
    elif (<Program>seat.program).device:
        (<Program>seat.program).serve()
    else:
        (<Program>seat.program).run_until_stopped()
    (<Simulator>seat.simulator).end_task(seat.cpu)


cdef class Machine:
    """The CPUs of `run`, a RunSpec whose numbers may go beyond those of real processes, laid out as `plan` says."""
    cdef readonly object buf
    cdef object run, plan
    cdef readonly Simulator simulator
    cdef list programs
    cdef seat_t *seats
    cdef layout_t m
    cdef Py_buffer view

    def __init__(self, run, plan, model) -> None:
        cdef uint32_t cpu
        self.run, self.plan = run, plan
        # Private: a page that nobody has written is no memory, and most of a CPU's histograms is such.
        self.buf = mmap.mmap(-1, plan.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        format_run(self.buf, plan, run)
        PyObject_GetBuffer(self.buf, &self.view, PyBUF_WRITABLE)
        layout_attach(&self.m, <char *>self.view.buf)
        self.simulator = Simulator(self.buf, model)
        self.programs = [ProgramOf(self.buf, run, cpu, SimulatedCpu(self.simulator, cpu)) for cpu in range(plan.workers)]
        self.seats = <seat_t *>calloc(plan.workers, sizeof(seat_t))
        if self.seats == NULL:
            raise MemoryError(f"no memory for {plan.workers} CPUs")
        for cpu in range(<uint32_t>plan.workers):
            self.seats[cpu].program = <void *>self.programs[cpu]
            self.seats[cpu].simulator = <void *>self.simulator
            self.seats[cpu].cpu = cpu

    def __dealloc__(self):
        free(self.seats)
        if self.view.buf != NULL:
            PyBuffer_Release(&self.view)

    cdef void seat(self, uint32_t cpu, bint prepares) noexcept:
        self.seats[cpu].prepares = prepares
        self.simulator.start(cpu, seated, &self.seats[cpu])

    def begin_preparation(self) -> None:
        """CPU 0 alone makes the address spaces, and the disks' CPUs serve it; to be followed by run_for of the simulator."""
        cdef uint32_t cpu
        self.m.control.cpus_working = 1
        self.simulator.restart(self.run.seed, None, None)
        self.seat(0, True)
        for cpu in range(<uint32_t>self.run.cpus, <uint32_t>self.plan.workers):
            self.seat(cpu, False)

    cdef void age(self) noexcept nogil:
        """No page has been used of late: else the first to reclaim would find a memory full of pages in use."""
        cdef uint64_t i
        for i in range(self.m.geo.mms * self.m.geo.pages):
            if pte_present(self.m.ptes[i]):
                self.m.ptes[i] &= ~<uint64_t>PTE_ACCESSED

    def begin(self, virtual_ns: int, grace_ns: int) -> None:
        """All CPUs at work, from virtual time 0 and with nothing counted; they are stopped at `virtual_ns`."""
        cdef uint32_t cpu
        cdef percpu_t *pc
        for cpu in range(<uint32_t>self.plan.workers):
            if cpu == 0 or cpu >= <uint32_t>self.run.cpus:  # the others have counted nothing yet
                pc = percpu_of(&self.m, cpu)
                memset(pc.events, 0, sizeof(pc.events))
                memset(pc.waits, 0, sizeof(pc.waits))
                memset(pc.latencies, 0, sizeof(pc.latencies))
        self.m.control.cpus_working = <uint32_t>self.run.cpus
        self.m.control.measuring = 1
        self.age()
        self.simulator.restart(self.run.seed, virtual_ns, virtual_ns + grace_ns)
        for cpu in range(<uint32_t>self.plan.workers):
            self.seat(cpu, False)

    def figures(self) -> dict:
        """What the CPUs have counted, as workers.executors.control.figures tells it."""
        return figures(self.buf, self.plan)
