"""Programs of a few operations each, given as data, for the tests of a reduction: every kind of step, in any mixture.

A CPU has a register; what it reads goes into it, and what it writes depends on it. It ends in the final state, so that
two executions which read otherwise end otherwise.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from shm.atomic cimport add64, add_i32, load64, store64
from shm.layout cimport expected_of, ptes_of
from shm.lock cimport lock_t
from shm.vmstat cimport WAIT_DEVICE
from workers.cpu cimport ADDS, READS, WRITES, Cpu, point
from workers.executors.engine cimport Body, Engine, Judge
from workers.executors.interleavings cimport enumerate_with
from workers.schedulers.schedule cimport mix64

import mmap

from shm.geometry import Geometry
from shm.layout import format_segment, size_of
from workers.executors.execution import TICK_MODELS

cdef enum:
    WORDS = 16
    C_TICK_NS = 4000000
    TIMEOUT_NS = 1000000

cdef enum:  # operation
    OP_READ = 0
    OP_WRITE
    OP_ADD
    OP_LOCK
    OP_UNLOCK
    OP_TRY
    OP_PARK
    OP_PARK_TIMEOUT
    OP_WAKE
    OP_IF_ODD
    OP_CHANCE
    OP_PUBLISH
    OP_POLL
    OP_TICK
    OP_BUSY
    OP_GET
    OP_PUT
    OP_SNEAK

OPERATIONS = {
    "read": "(read, WORD): into the register",
    "write": "(write, WORD): a value that depends on the register and the CPU",
    "add": "(add, WORD): a number, without looking at the sum",
    "lock": "(lock, LOCK)",
    "unlock": "(unlock, LOCK)",
    "try": "(try, LOCK, N): trylock; when it fails, the next N operations are left out",
    "park": "(park,): until woken",
    "park_timeout": "(park_timeout,): until woken, or for 1 ms; which it was goes into the register",
    "wake": "(wake, CPU)",
    "if_odd": "(if_odd, WORD, N): read; when the word is even, the next N operations are left out",
    "chance": "(chance, N): when it comes so, the next N operations are left out",
    "publish": "(publish, WORD): write a word that is polled",
    "poll": "(poll, WORD, N): sleep a tick, N times at most, until the word is published",
    "tick": "(tick,): sleep one tick",
    "busy": "(busy,): some time",
    "get": "(get, WORD): a reference more",
    "put": "(put, WORD): a reference less; who gives the last one back says so in the register",
    "sneak": "(sneak, WORD): write without a word of it",
}
NUMBERS = {name: number for number, name in enumerate(OPERATIONS)}

cdef struct operation_t:
    int what
    uint32_t object
    int skipped


cdef void count_reference(Cpu cpu, int32_t *count, bint put, uint64_t *register) noexcept nogil:
    point(cpu, count, ADDS | WRITES if put else ADDS)
    if add_i32(count, -1 if put else 1) == 0:
        register[0] = mix64(register[0])


cdef class Interpreter(Body):
    """Does `operations`, each a name and its numbers."""
    cdef operation_t *operations
    cdef int length

    def __init__(self, operations) -> None:
        cdef int i
        self.operations = <operation_t *>calloc(max(1, len(operations)), sizeof(operation_t))
        if self.operations == NULL:
            raise MemoryError("no memory for a program")
        self.length = len(operations)
        for i, (name, *numbers) in enumerate(operations):
            self.operations[i].what = NUMBERS[name]
            last = 0 if name == "chance" or not numbers else numbers.pop(0)
            self.operations[i].object = last
            self.operations[i].skipped = numbers[0] if numbers else 0

    def __dealloc__(self):
        free(self.operations)

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef uint64_t register = cpu.id + 1
        cdef int at = 0
        while at < self.length:
            if not self.one(cpu, &self.operations[at], &register):
                at += self.operations[at].skipped
            at += 1
        store64(&expected_of(&cpu.m, 0)[WORDS + cpu.id], register)

    cdef bint one(self, Cpu cpu, operation_t *o, uint64_t *register) noexcept nogil:
        """False: leave out what is to be left out."""
        cdef uint64_t *word = &expected_of(&cpu.m, 0)[o.object % WORDS]
        cdef lock_t *lock = &cpu.m.wait_queues[o.object % WORDS].lock
        cdef bint so = True
        if o.what == OP_READ or o.what == OP_IF_ODD:
            point(cpu, word, READS)
            so = o.what == OP_READ or load64(word) & 1
            register[0] = mix64(register[0] ^ load64(word))
        elif o.what == OP_WRITE:
            point(cpu, word, WRITES)
            store64(word, mix64(register[0]))
        elif o.what == OP_ADD:
            point(cpu, word, ADDS)
            add64(word, 2 * cpu.id + 1)
        elif o.what == OP_GET or o.what == OP_PUT:
            count_reference(cpu, <int32_t *>word, o.what == OP_PUT, register)
        elif o.what == OP_SNEAK:
            store64(word, cpu.id + 1)
        elif o.what == OP_LOCK:
            cpu.lock(lock)
        elif o.what == OP_UNLOCK:
            cpu.unlock(lock)
        elif o.what == OP_TRY:
            so = cpu.trylock(lock)
        elif o.what == OP_CHANCE:
            so = not cpu.chance(500000)
        else:
            self.sleep_or_wake(cpu, o, register)
        register[0] = mix64(register[0] + so)
        return so

    cdef void sleep_or_wake(self, Cpu cpu, operation_t *o, uint64_t *register) noexcept nogil:
        cdef uint64_t *polled = &ptes_of(&cpu.m, 0)[o.object % WORDS]
        cdef int slept = 0
        if o.what == OP_PARK:
            cpu.park(WAIT_DEVICE)
        elif o.what == OP_PARK_TIMEOUT:
            register[0] = mix64(register[0] + cpu.park_timeout(TIMEOUT_NS, WAIT_DEVICE))
        elif o.what == OP_WAKE:
            cpu.wake(o.object)
        elif o.what == OP_PUBLISH:
            point(cpu, polled, WRITES)
            store64(polled, cpu.id + 1)
        elif o.what == OP_POLL:
            point(cpu, polled, READS)
            while load64(polled) == 0 and slept < o.skipped:
                cpu.tick_sleep()
                slept += 1
                point(cpu, polled, READS)
            register[0] = mix64(register[0] ^ load64(polled))
        elif o.what == OP_TICK:
            cpu.tick_sleep()
        else:
            cpu.busy(1000)


def interleavings(programs, search: str, *, most: int = 1_000_000, tick: str = "await", twice: bool = False):
    """Those of `programs`, one for each CPU, from a state of zeroes."""
    geometry = Geometry(
        cpus=len(programs), devices=1, slots=16, cluster_slots=8, tables=2, blocks=2, folios=4, mms=1,
        pages=WORDS + len(programs), memcgs=1, payload_bytes=64, trace_records=4, lock_kind=0)
    buf = mmap.mmap(-1, size_of(geometry))
    format_segment(buf, geometry, True)
    cdef Engine engine = Engine(buf, Judge())
    engine.m.control.tick_ns = C_TICK_NS
    engine.clock_ns = C_TICK_NS
    engine.execution.tick_model = TICK_MODELS.index(tick)
    return enumerate_with(engine, [Interpreter(program) for program in programs], search, most, twice)
