"""The table of states, and how 64 bits are made of one."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

from shm.layout cimport NR_WAIT_QUEUES, control_t, layout_t, percpu_of, wait_queue
from shm.percpu cimport percpu_t
from shm.vmstat cimport NR_GAUGES

cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <string.h>
    /* Two words at a time through a 128-bit product, in six chains, so that no product waits for the one before it. */
    #define SR_CHAIN(k) h[k] = sr_mix(w[2 * k] ^ 0x8EBC6AF09C88C6E3ull, w[2 * k + 1] ^ h[k])
    static inline uint64_t sr_mix(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    static uint64_t sr_digest(uint64_t seed, const void *from, uint64_t bytes) {
        const uint64_t *w = (const uint64_t *)from, *end = w + bytes / 8;
        uint64_t last = 0, h[6] = {seed ^ 0xA0761D6478BD642Full, seed ^ 0xE7037ED1A0B428DBull, seed ^ 0x589965CC75374CC3ull,
                                   seed ^ 0x1D8E4E27C47D124Full, seed ^ 0x9FB21C651E98DF25ull, seed ^ 0xD6E8FEB86659FD93ull};
        for (; end - w >= 12; w += 12) {
            SR_CHAIN(0); SR_CHAIN(1); SR_CHAIN(2); SR_CHAIN(3); SR_CHAIN(4); SR_CHAIN(5);
        }
        for (; end - w >= 2; w += 2)
            SR_CHAIN(0);
        if (w < end)
            h[1] = sr_mix(w[0] ^ 0x8EBC6AF09C88C6E3ull, h[1]);
        memcpy(&last, end, bytes % 8);
        return sr_mix(sr_mix(h[0] ^ last, h[1] ^ bytes), h[2] ^ h[4] << 1) ^ sr_mix(h[3], h[5]);
    }
    """
    uint64_t digest "sr_digest"(uint64_t seed, const void *start, uint64_t bytes)


cdef class SoundStates:
    """None yet."""

    def __cinit__(self):
        self.states = <uint64_t *>calloc(STATES, sizeof(uint64_t))
        if self.states == NULL:
            raise MemoryError("no memory for the states that were found legal")

    def __dealloc__(self):
        free(self.states)

    cdef void forget(self) noexcept nogil:
        memset(self.states, 0, STATES * sizeof(uint64_t))
        self.looks = self.found = 0

    cdef bint is_worth_it(self) noexcept nogil:
        """Whether states come again: in a race of a few operations they do, in a long run they do not."""
        return self.looks < TRIAL or self.found * 2 > self.looks

    cdef bint has(self, uint64_t state) noexcept nogil:
        self.looks += 1
        if self.states[state % STATES] != state:
            return False
        self.found += 1
        return True

    cdef void add(self, uint64_t state) noexcept nogil:
        self.states[state % STATES] = state


cdef uint64_t of_block(uint64_t seed, percpu_t *pc) noexcept nogil:
    """Of a CPU: not what it sleeps on, how many locks it has taken, its random numbers, where its trace ends, its counts and
    what it has noted of them."""
    cdef uint64_t state = digest(seed, &pc.wake_tokens, <uint64_t>(<char *>&pc.generation - <char *>&pc.wake_tokens))
    state = digest(state, &pc.free_head, <uint64_t>(<char *>&pc.rng - <char *>&pc.free_head))
    state = digest(state, &pc.stamp, <uint64_t>(<char *>&pc.refused_sleeps - <char *>&pc.stamp))
    state = digest(state, &pc.dropped_clean, <uint64_t>(<char *>&pc.events - <char *>&pc.dropped_clean))
    return digest(state, pc.gauges, NR_GAUGES * sizeof(int64_t))


cdef uint64_t fingerprint(const layout_t *m, uint64_t end, uint64_t queues, const wait_queue *pristine) noexcept nogil:
    """Of memory at rest up to offset `end`. Of the wait queues, those whose lock was taken (a bit each in `queues`) and that
    are not as they were (`pristine`)."""
    cdef uint64_t state = digest(0, m.control, sizeof(control_t)), i
    cdef const char *rest = <const char *>(m.wait_queues + NR_WAIT_QUEUES)
    for i in range(m.geo.cpus):
        state = of_block(state, percpu_of(<layout_t *>m, <uint32_t>i))
    i = 0
    while queues:
        if queues & 1 and memcmp(&m.wait_queues[i], &pristine[i], sizeof(wait_queue)) != 0:
            state = digest(state ^ i, &m.wait_queues[i], sizeof(wait_queue))
        queues >>= 1
        i += 1
    return digest(state, rest, end - <uint64_t>(rest - m.base))
