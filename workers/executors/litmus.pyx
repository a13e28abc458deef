"""The cooperative executor's self-test: programs of a few lines whose legal and illegal ends are known.

A scheduler that misses an interleaving shows nothing, so each program here that can go wrong must be seen to go wrong,
and each that cannot must stay clean. `play` runs one; `PROGRAMS` says what each does. Their shared words are those of
the first mm of a tiny segment, which a schedule resets.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64, store64
from shm.layout cimport expected_of, layout_t
from shm.vmstat cimport WAIT_DEVICE
from workers.cpu cimport WRITES, Cpu, point, random_u64
from workers.executors.engine cimport Body, Engine, Judge
from workers.schedulers.random_walk cimport RandomWalk
from workers.schedulers.replay cimport Replay
from workers.schedulers.schedule cimport Schedule

import mmap

from shm.geometry import Geometry
from shm.layout import format_segment, size_of
from workers.executors.litmus_orders import WITH_BARRIER, WITHOUT_BARRIER

STEP_LIMIT = 5_000
cdef enum:
    C_ROUNDS = 6
    C_TICK_NS = 4000000
    BUSY_NS = 1000
    C_NOISE = 10


cdef class LostUpdate(Body):
    """Add 1 to word 0, by a load and a store."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        put(cpu, 0, get(cpu, 0) + 1)


cdef class Mutex(Body):
    """The same under a lock, in rounds; every other one by trylock, which gives up when it fails."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef int i
        for i in range(C_ROUNDS):
            if i & 1:
                cpu.lock(cpu.m.mmlist_lock)
            elif not cpu.trylock(cpu.m.mmlist_lock):
                put(cpu, 1 + <int>cpu.id, get(cpu, 1 + <int>cpu.id) + 1)
                continue
            put(cpu, 0, get(cpu, 0) + 1)
            cpu.unlock(cpu.m.mmlist_lock)


cdef class AbBa(Body):
    """CPU 0 takes mmlist, then swapon_mutex; the others the other way round."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        first = cpu.m.mmlist_lock if cpu.id == 0 else cpu.m.swapon_mutex
        second = cpu.m.swapon_mutex if cpu.id == 0 else cpu.m.mmlist_lock
        cpu.lock(first)
        cpu.lock(second)
        put(cpu, 0, get(cpu, 0) + 1)
        cpu.unlock(second)
        cpu.unlock(first)


cdef class ParkWake(Body):
    """CPU 0 hands a number to each other CPU and is woken by each: a wake-up before the park is not lost."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef uint32_t other
        if cpu.id == 0:
            for other in range(1, <uint32_t>cpu.m.geo.cpus):
                put(cpu, <int>other, other)
                cpu.wake(other)
            for other in range(1, <uint32_t>cpu.m.geo.cpus):
                cpu.park(WAIT_DEVICE)
            put(cpu, 0, <uint64_t>cpu.m.geo.cpus)
            return
        cpu.park(WAIT_DEVICE)
        if load64(word(cpu, <int>cpu.id)) != cpu.id:
            put(cpu, 0, 100)
        cpu.wake(0)


cdef class LostWakeup(Body):
    """CPU 0 sets a flag and wakes who has said that it sleeps; the others look, say so, and sleep: too late."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        if cpu.id == 0:
            put(cpu, 0, <uint64_t>cpu.m.geo.cpus)
            for other in range(1, <uint32_t>cpu.m.geo.cpus):
                if get(cpu, other):
                    cpu.wake(other)
            return
        if get(cpu, 0) == 0:
            put(cpu, <int>cpu.id, 1)
            cpu.park(WAIT_DEVICE)


cdef class Ticks(Body):
    """Sleep a tick after some busy time, then wait with a timeout: time passes, and no wake-up comes early."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef uint64_t since, slept
        cpu.busy(BUSY_NS * (1 + random_u64(cpu) % 7))
        since = cpu.now()
        cpu.tick_sleep()
        slept = cpu.now() - since
        if slept < C_TICK_NS or slept > 2 * C_TICK_NS + BUSY_NS * 100:
            put(cpu, 0, 100)
        since = cpu.now()
        if cpu.park_timeout(BUSY_NS, WAIT_DEVICE) or cpu.now() - since < BUSY_NS:
            put(cpu, 0, 100)
        cpu.lock(cpu.m.mmlist_lock)
        put(cpu, 0, get(cpu, 0) + 1)
        cpu.unlock(cpu.m.mmlist_lock)


cdef class Spin(Body):
    """CPU 0 waits for ever for a word that nobody writes."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        while cpu.id == 0 and get(cpu, 7) == 0:
            pass
        put(cpu, 0, <uint64_t>cpu.m.geo.cpus)


cdef class Work(Body):
    """What the engine's speed is measured with: about 50 points, a third of them on one lock."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef int i
        for i in range(8):
            cpu.lock(cpu.m.mmlist_lock)
            put(cpu, 0, get(cpu, 0) + 1)
            cpu.unlock(cpu.m.mmlist_lock)
            put(cpu, 1 + <int>cpu.id, <uint64_t>i)
            get(cpu, 1 + <int>(cpu.id + 1) % 3)


cdef class Apart(Body):
    """CPU n puts n + 2 times into a word of its own: no order matters, and there are as many as there can be."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef uint32_t i
        for i in range(cpu.id + 2):
            put(cpu, 1 + <int>cpu.id, i)


cdef class Needle(Body):
    """Depth 2: CPU 0 looks twice in a row amid its work, the others put before theirs: it sees two things."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef int i
        cdef uint64_t once
        if cpu.id != 0:
            put(cpu, 1, cpu.id)
        for i in range(C_NOISE):
            put(cpu, 2 + <int>cpu.id, <uint64_t>i)
        if cpu.id != 0:
            return
        once = get(cpu, 1)
        if get(cpu, 1) != once:
            put(cpu, 0, 100)
        for i in range(C_NOISE):
            put(cpu, 2, <uint64_t>i)


cdef class Zigzag(Body):
    """Depth 3: CPU 0 puts 1, then 2; another one sees both. Each of them stops on its way, one after the other."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        if cpu.id == 0:
            put(cpu, 1, 1)
            put(cpu, 1, 2)
        elif get(cpu, 1) == 1 and get(cpu, 1) == 2:
            put(cpu, 0, 100)


cdef class Poll(Body):
    """CPU 0 polls for what the others do: it ends as soon as one of them goes on."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        if cpu.id != 0:
            put(cpu, 7, 1)
        while get(cpu, 7) == 0:
            pass


cdef class Chances(Body):
    """Each CPU meets three chances of a half, and nothing else; CPU 0 must not see all of them come true."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef int i, happened = 0
        for i in range(3):
            happened += cpu.chance(500000)
        if cpu.id == 0 and happened == 3:
            store64(word(cpu, 0), 100)


cdef class Fickle(Body):
    """Not one program: every third execution begins with another word. What a search has to refuse."""
    cdef int played

    cdef void run(self, Cpu cpu) noexcept nogil:
        self.played += 1
        put(cpu, 1 + <int>cpu.id + (self.played % 3 == 0), 1)
        put(cpu, 1 + <int>cpu.id, 1)


cdef class Keeps(Body):
    """CPU 0 tries a lock 200 times, and zswap alone tells how often: that is no cycle."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        while cpu.id == 0 and load64(&cpu.m.zswap.free_entries) < 200:
            if cpu.trylock(cpu.m.mmlist_lock):
                cpu.unlock(cpu.m.mmlist_lock)
            point(cpu, &cpu.m.zswap.free_entries, WRITES)
            store64(&cpu.m.zswap.free_entries, load64(&cpu.m.zswap.free_entries) + 1)


cdef class Total(Judge):
    """Word 0 is `total` at the end, less what the trylocks of word 1 + CPU gave up."""
    cdef uint64_t total
    cdef bint with_given_up

    cdef bint at_rest(self, layout_t *m) noexcept nogil:
        cdef uint64_t sum = expected_of(m, 0)[0], i
        if self.with_given_up:
            for i in range(m.geo.cpus):
                sum += expected_of(m, 0)[1 + i]
        return sum == self.total


BODIES = {
    cls.__name__: cls
    for cls in (
        LostUpdate, Mutex, AbBa, ParkWake, LostWakeup, Ticks, Spin, Work, Apart, Needle, Zigzag, Poll, Chances,
        Fickle, Keeps, *WITHOUT_BARRIER.values())
}
PROGRAMS = {name: cls.__doc__ for name, cls in BODIES.items()}
PROGRAMS |= {name: f"{name.removesuffix('WithBarrier')}, with a barrier in between." for name in WITH_BARRIER}
BODIES |= WITH_BARRIER
# What each CPU adds to word 0; the others only look for what must not be.
EACH = {"LostUpdate": 1, "Mutex": C_ROUNDS, "AbBa": 1, "ParkWake": 1, "LostWakeup": 1, "Ticks": 1, "Spin": 1, "Poll": 0, "Work": 8}


cdef Total judge_of(str program, int cpus):
    cdef Total judge = Total()
    judge.total = cpus * EACH.get(program, 0)
    judge.with_given_up = program == "Mutex"
    return judge


def engine_for(program: str, cpus: int) -> Engine:
    """A segment of a few KiB, formatted, and an engine over it."""
    geometry = Geometry(
        cpus=cpus, devices=1, slots=16, cluster_slots=8, tables=2, blocks=2, folios=4, mms=1, pages=cpus + 8, memcgs=1,
        payload_bytes=64, trace_records=4, lock_kind=0, zswap_pages=1)
    buf = mmap.mmap(-1, size_of(geometry))
    format_segment(buf, geometry, True)
    engine = Engine(buf, judge_of(program, cpus))
    set_tick(engine)
    return engine


cdef void set_tick(Engine engine) noexcept:
    engine.m.control.tick_ns = C_TICK_NS
    engine.clock_ns = C_TICK_NS


def play(program: str, *, cpus: int = 3, seed: int = 1, first: int = 0, schedules: int = 1000,
         replay: str | None = None, schedule: Schedule | None = None, delayed_stores: bool = False,
         liveness: bool = False) -> dict[str, object]:
    """Play schedules first, first + 1, ... of `program`, or one replay; stop at the first that ends illegally.

    `schedule` chooses; when it is None, a random walk of `seed`. Returns: verdict (completed also when the judge
    objects), legal, played, steps, hash, whether the schedule is exhausted, and of the last execution its recording
    (hex), trace (bytes), lines (told), waiting and refusal (text).
    """
    cdef Engine engine = engine_for(program, cpus)
    if replay is not None:
        schedule = Replay(replay)
    elif schedule is None:
        schedule = RandomWalk(seed)
    engine.delayed_stores = delayed_stores
    engine.execution.liveness = liveness
    engine.use(schedule, [BODIES[program]() for _ in range(cpus)], STEP_LIMIT)
    played, legal = engine.play_batch(first, schedules if replay is None else 1)
    execution = engine.execution
    return {
        "verdict": execution.verdict_text(), "legal": legal, "played": played, "steps": engine.steps,
        "hash": engine.hash, "recording": execution.recording(), "trace": execution.trace_bytes(),
        "lines": execution.trace_told(), "waiting": execution.waiting_told(), "refusal": schedule.refusal(),
        "last_steps": execution.steps, "exhausted": engine.exhausted, "unfair": engine.unfair,
    }


def each(program: str, schedule: Schedule, *, cpus: int = 3, schedules: int = 1000) -> list[tuple[str, str, bool]]:
    """Play schedules 0, 1, ... of `program`, illegal ones too, until `schedule` has none left.

    Returns of every execution its recording (hex), its verdict and whether it is legal.
    """
    cdef Engine engine = engine_for(program, cpus)
    engine.use(schedule, [BODIES[program]() for _ in range(cpus)], STEP_LIMIT)
    told = []
    for number in range(schedules):
        played, legal = engine.play_batch(number, 1)
        if played == 0:
            break
        told.append((engine.execution.recording(), engine.execution.verdict_text(), legal))
    return told
