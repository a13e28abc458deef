"""What single steps cost on this machine: measured on memory that two processes share, each on a core of its own."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t
from libc.string cimport memset

from shm.atomic cimport add64, cas64, cpu_relax, load64, store64
from shm.clock cimport clock_ns, sleep_ns
from shm.lock cimport (
    CLASS_CLUSTER, LOCK_WORD, lock_init, lock_release, lock_slow, lock_t, lock_try, sem_down, sem_init, sem_post, sem_t,
)

cdef enum:
    LINE_WORDS = 8

cdef struct shared_t:  # each on lines of its own
    uint64_t turn[LINE_WORDS]
    uint64_t stamp[LINE_WORDS]
    uint64_t last[LINE_WORDS]
    uint64_t ready[LINE_WORDS]
    lock_t lock
    sem_t wake

SHARED_BYTES = sizeof(shared_t)


cdef class Probe:
    """The memory in `buffer`, of SHARED_BYTES at least, zeroed, shared by two processes."""
    cdef Py_buffer view
    cdef shared_t *s

    def __init__(self, buffer) -> None:
        PyObject_GetBuffer(buffer, &self.view, PyBUF_WRITABLE)
        self.s = <shared_t *>self.view.buf
        memset(self.s, 0, sizeof(shared_t))
        lock_init(&self.s.lock, CLASS_CLUSTER, LOCK_WORD)
        sem_init(&self.s.wake, 1, 0)

    def __dealloc__(self):
        if self.view.buf != NULL:
            PyBuffer_Release(&self.view)

    def atomic_ns(self, int rounds) -> float:
        """One compare-and-swap on a line of one's own, in a row of them."""
        cdef uint64_t begin = clock_ns(), i
        with nogil:
            for i in range(<uint64_t>rounds):
                cas64(&self.s.turn[0], i, i + 1)
        self.s.turn[0] = 0
        return (clock_ns() - begin) / rounds

    def lock_ns(self, int rounds) -> float:
        """Taking a free lock and giving it back."""
        cdef uint64_t begin = clock_ns()
        cdef int i
        with nogil:
            for i in range(rounds):
                if not lock_try(&self.s.lock, 1):
                    lock_slow(&self.s.lock, 1)
                lock_release(&self.s.lock)
        return (clock_ns() - begin) / rounds

    def bounce(self, int me, int rounds) -> float:
        """A word that two processes write in turn: ns from one's write to the other's, half a round trip."""
        cdef uint64_t begin, i, mine = me
        with nogil:
            add64(&self.s.ready[0], 1)
            while load64(&self.s.ready[0]) < 2:
                cpu_relax()
            begin = clock_ns()
            for i in range(<uint64_t>rounds):
                while load64(&self.s.turn[0]) != 2 * i + mine:
                    cpu_relax()
                store64(&self.s.turn[0], 2 * i + mine + 1)
        return (clock_ns() - begin) / (2.0 * rounds)

    def contend(self, int rounds) -> float:
        """An atomic add to a word that the other process adds to all the time."""
        cdef uint64_t begin
        cdef int i
        with nogil:
            add64(&self.s.ready[0], 1)
            while load64(&self.s.ready[0]) < 2:
                cpu_relax()
            begin = clock_ns()
            for i in range(rounds):
                add64(&self.s.turn[0], 1)
        return (clock_ns() - begin) / rounds

    def hand_over(self, int me, int rounds) -> list[int]:
        """A lock that two processes want all the time: ns from a release to the other's next step, where it changed hands."""
        cdef uint64_t i, now, stamp, last, until
        found = []
        add64(&self.s.ready[0], 1)
        while load64(&self.s.ready[0]) < 2:
            pass
        for i in range(<uint64_t>rounds):
            with nogil:
                if not lock_try(&self.s.lock, <uint64_t>me + 1):
                    lock_slow(&self.s.lock, <uint64_t>me + 1)
                now = clock_ns()
                stamp = self.s.stamp[0]
                last = self.s.last[0]
                until = now + 300  # long enough that the other waits, shorter than its spinning
                while clock_ns() < until:
                    cpu_relax()
                self.s.last[0] = <uint64_t>me + 1
                self.s.stamp[0] = clock_ns()
                lock_release(&self.s.lock)
                until = clock_ns() + 300
                while clock_ns() < until:
                    cpu_relax()
            if last and last != <uint64_t>me + 1 and now - stamp < 100000:
                found.append(now - stamp)
        return found

    def be_woken(self, int rounds) -> list[int]:
        """Say so, sleep and be woken: ns from the wake-up until awake, one a round."""
        cdef int i
        cdef uint64_t now
        found = []
        for i in range(rounds):
            with nogil:
                store64(&self.s.turn[0], <uint64_t>i + 1)
                sem_down(&self.s.wake)
                now = clock_ns()
            found.append(now - load64(&self.s.stamp[0]))
        return found

    def wake(self, int rounds, uint64_t after_ns) -> list[int]:
        """Wake the other `after_ns` after it has said that it goes to sleep: ns that each wake-up took here."""
        cdef int i
        cdef uint64_t until, begin
        found = []
        for i in range(rounds):
            with nogil:
                while load64(&self.s.turn[0]) != <uint64_t>i + 1:
                    cpu_relax()
                until = clock_ns() + after_ns
                while clock_ns() < until:
                    cpu_relax()
                begin = clock_ns()
                store64(&self.s.stamp[0], begin)
                sem_post(&self.s.wake)
            found.append(clock_ns() - begin)
        return found


def gaps(uint64_t for_ns, uint64_t least_ns) -> list[tuple[int, int]]:
    """Look at the clock for so long: begin and end, in ns, of all gaps of `least_ns` and more between two looks."""
    cdef uint64_t begin = clock_ns(), last = begin, now = begin
    found = []
    while now - begin < for_ns:
        with nogil:
            now = clock_ns()
            while now - last < least_ns and now - begin < for_ns:
                last = now
                now = clock_ns()
        if now - last >= least_ns:
            found.append((last, now))
        last = clock_ns()
    return found


def tick_overshoots(int rounds, uint64_t tick_ns) -> list[int]:
    """Sleep until the second tick from now: by how many ns each ends late."""
    cdef uint64_t now, due
    cdef int i
    found = []
    for i in range(rounds):
        now = clock_ns()
        due = (now // tick_ns + 2) * tick_ns
        with nogil:
            sleep_ns(due - now)
        found.append(clock_ns() - due)
    return found
