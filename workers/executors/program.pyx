"""From a spec to CPUs that run: the geometry it needs, the segment filled, a Program for each CPU."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from shm.atomic cimport load32, store32
from shm.percpu cimport PHASE_LEFT, PHASE_PREPARING, PHASE_RUNNING, percpu_t
from shm.vmstat cimport WARN_CLAIM_LEFT
from workers.cpu cimport Cpu, warn
from workers.executors.process_cpu cimport ProcessCpu
from workers.mm.page_io cimport serve_device, worker_leaves
from workers.mm.swap_discard cimport serve_discards
from workers.operations.reclaim cimport try_to_free_pages
from workers.operations.swapoff cimport swapoff, swapon
from workers.mm.protocol cimport Protocol

from workers.executors.plan import attendants
from workers.protocols.registry import protocol
from workers.workloads.catalogue import shape_of, workload

cdef uint32_t reclaim_from(Cpu cpu, uint32_t memcg, uint32_t nr) noexcept nogil:
    """The door upstairs: from an allocation or a charge to reclaim, which knows the protocol."""
    return try_to_free_pages(cpu, <Protocol>cpu.protocol, memcg, nr)


cdef class Program:
    """CPU number `cpu` of the formatted segment in `buf`. `on`: the Cpu to be; a ProcessCpu when none is given."""

    def __init__(self, buf, spec, int cpu, Cpu on=None):
        PyObject_GetBuffer(buf, &self.view, PyBUF_WRITABLE)
        self.buf = buf
        self.cpu = ProcessCpu() if on is None else on
        self.cpu.attach(<char *>self.view.buf, cpu)
        self.device = cpu >= spec.cpus
        number = attendants(spec)[cpu - spec.cpus] if self.device else None
        self.serves = -1 if number is None else number
        self.protocol = protocol(spec.protocol)
        self.cpu.protocol = <void *>self.protocol
        self.cpu.try_to_free_pages = reclaim_from
        self.cpu.my.rng[0] = (spec.seed * 0x9E3779B97F4A7C15 + cpu * 0xBF58476D1CE4E5B9 + 1) & 0xFFFFFFFFFFFFFFFF
        self.cpu.my.rng[1] = (spec.seed ^ 0x94D049BB133111EB) + cpu + 1
        self.workload = workload(spec, shape_of(spec))
        self.swapoff_ns = (spec.swapoff_every_ms or 0) * 1_000_000 if cpu == 0 else 0

    def __dealloc__(self):
        if self.view.buf != NULL:
            PyBuffer_Release(&self.view)

    cdef void prepare_here(self) noexcept nogil:
        """What the workload needs before anybody's first operation; nothing of it is measured."""
        cdef percpu_t *my = self.cpu.my
        my.phase = PHASE_PREPARING
        self.workload.prepare(self.cpu, self.protocol)
        memset(my.events, 0, sizeof(my.events))
        memset(my.waits, 0, sizeof(my.waits))
        memset(my.latencies, 0, sizeof(my.latencies))
        store32(&self.cpu.m.control.measuring, 1)

    cdef void begin(self) noexcept nogil:
        self.workload.reset(self.cpu)
        self.next_swapoff_ns = self.cpu.now() + self.swapoff_ns
        self.cpu.my.phase = PHASE_RUNNING

    cdef void one_operation(self) noexcept nogil:
        if self.swapoff_ns and self.cpu.now() >= self.next_swapoff_ns:
            if swapoff(self.cpu, self.protocol, self.next_device) == 0:
                swapon(self.cpu, self.next_device)
            self.next_device = (self.next_device + 1) % <uint32_t>self.cpu.m.geo.devices
            self.next_swapoff_ns = self.cpu.now() + self.swapoff_ns
        self.workload.step(self.cpu, self.protocol)
        if self.cpu.my.claimed_entry or self.cpu.my.reserved_entry:
            warn(self.cpu, WARN_CLAIM_LEFT, self.cpu.my.claimed_entry, self.cpu.my.reserved_entry, 0)

    cdef void run_operations(self, uint64_t n) noexcept nogil:
        """n operations, then leave: one schedule of the cooperative executor."""
        cdef uint64_t i
        self.begin()
        for i in range(n):
            self.one_operation()
        worker_leaves(self.cpu)
        self.cpu.my.phase = PHASE_LEFT

    cdef void run_until_stopped(self) noexcept nogil:
        self.begin()
        while not load32(&self.cpu.m.control.stop):
            self.one_operation()
        worker_leaves(self.cpu)
        self.cpu.my.phase = PHASE_LEFT

    cdef void serve(self) noexcept nogil:
        """Attend a disk, or discard: until the working CPUs have left."""
        self.cpu.my.phase = PHASE_RUNNING
        if self.serves < 0:
            serve_discards(self.cpu)
        else:
            serve_device(self.cpu, self.serves)
        self.cpu.my.phase = PHASE_LEFT

    def prepare(self) -> None:
        """Make the mms and swap out what does not fit: once, by CPU 0, while those that attend devices serve. No GIL."""
        with nogil:
            self.prepare_here()

    def run(self) -> int:
        """Be the CPU until the stop word is set; one that attends devices until the others have left. The GIL is released.

        0, or 1 when a lock of the segment is still held by this CPU.
        """
        with nogil:
            if self.device:
                self.serve()
            else:
                self.run_until_stopped()
        return 0 if self.cpu.held.depth == 0 else 1
