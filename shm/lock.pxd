"""A lock of the segment, one cache line: a lock word taken by one compare-and-swap, and a sem_t to sleep on.

    word   63      56 55                        8 7        0
          +----------+---------------------------+----------+
          | (CPU + 1 | generation of the holder  | (CPU + 1 |     0: free
          |  >> 8)   |                           |  & 255)  |
          +----------+---------------------------+----------+

Holder and acquisition are one instruction, so a dead holder is always known by name. `pending` bounds the wake-ups under
way to one: the releaser posts only when none is. kind LOCK_SEM is the plain sem_t lock, kept to compare (`lock=sem`).
Memory of these functions is shared by processes; only `ProcessCpu` and the format call them.
"""
from libc.stdint cimport uint32_t, uint64_t
from shm.atomic cimport add32, cas64, cpu_relax, load32, load64, store64, xchg32, xchg64

cdef extern from "<semaphore.h>" nogil:
    ctypedef struct sem_t:
        pass
    int sem_init(sem_t *sem, int pshared, unsigned int value)
    int sem_wait(sem_t *sem)
    int sem_trywait(sem_t *sem)
    int sem_post(sem_t *sem)

cdef extern from * nogil:
    """
    #ifndef SWAPRACE_SEM_H
    #define SWAPRACE_SEM_H
    #include <errno.h>
    #include <semaphore.h>
    #include <time.h>
    static inline void sr_sem_down(sem_t *s) { while (sem_wait(s) != 0 && errno == EINTR) {} }
    /* 1: taken, 0: timed out */
    static inline int sr_sem_down_timeout(sem_t *s, unsigned long long ns) {
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_sec += (time_t)(ns / 1000000000ull);
        ts.tv_nsec += (long)(ns % 1000000000ull);
        if (ts.tv_nsec >= 1000000000l) { ts.tv_nsec -= 1000000000l; ts.tv_sec += 1; }
        for (;;) {
            if (sem_clockwait(s, CLOCK_MONOTONIC, &ts) == 0) return 1;
            if (errno != EINTR) return 0;
        }
    }
    #endif
    """
    void sem_down "sr_sem_down"(sem_t *sem) noexcept
    bint sem_down_timeout "sr_sem_down_timeout"(sem_t *sem, uint64_t ns) noexcept

cdef enum:
    LOCK_WORD = 0
    LOCK_SEM = 1
    SPINS_BEFORE_SLEEP = 100  # some hundred ns: longer than most sections, shorter than a sleep and its wake-up

cdef enum:  # lock_class
    CLASS_NONE = 0
    CLASS_ANON_VMA = 1  # sleeps in the kernel (rwsem)
    CLASS_PTL = 2
    CLASS_XA = 3  # i_pages of a swap address_space, one per 16384 slots (up to 6.17)
    CLASS_CLUSTER = 4
    CLASS_SI = 5
    CLASS_LRUVEC = 6
    CLASS_WAITQUEUE = 7
    CLASS_DEVICE = 8
    CLASS_MMLIST = 9
    CLASS_FOLIO = 10  # not a lock_t: the bit in folio->flags
    CLASS_MMAP = 11  # not a lock_t: the rw_semaphore of an mm
    CLASS_PERCPU_CLUSTER = 12  # local lock: owned by its CPU, no word
    CLASS_SWAPON = 13  # swapon_mutex: swapoff and swapon, one at a time
    CLASS_CONT = 14  # cont_lock: continuation pages of swap_map
    CLASS_GLOBAL_CLUSTER = 15  # global_cluster_lock of a rotating device
    CLASS_SWAP_AVAIL = 16  # swap_avail_lock: which devices allocation may ask
    CLASS_MAPPING = 17  # i_pages of a file's mapping
    CLASS_SWAPLIST = 18  # shmem_swaplist_lock: which files swapoff must visit
    CLASS_ZSWAP_LRU = 19  # the list of a memcg's entries in zswap
    CLASS_ZONE = 20  # free blocks of pages
    NR_LOCK_CLASSES = 21

cdef struct lock_t:
    uint64_t word
    uint32_t waiters
    uint32_t pending
    uint32_t cls
    uint32_t kind
    sem_t sem
    uint64_t pad

cdef inline void lock_init(lock_t *l, uint32_t cls, uint32_t kind) noexcept nogil:
    l.word = 0
    l.waiters = 0
    l.pending = 0
    l.cls = cls
    l.kind = kind
    sem_init(&l.sem, 1, 1 if kind == LOCK_SEM else 0)

cdef inline bint lock_try(lock_t *l, uint64_t me) noexcept nogil:
    if l.kind == LOCK_WORD:
        return cas64(&l.word, 0, me)
    if sem_trywait(&l.sem) == 0:
        store64(&l.word, me)
        return True
    return False

cdef inline void lock_slow(lock_t *l, uint64_t me) noexcept nogil:
    cdef int spin
    for spin in range(SPINS_BEFORE_SLEEP):
        cpu_relax()
        if load64(&l.word) == 0 and lock_try(l, me):
            return
    if l.kind == LOCK_SEM:
        sem_down(&l.sem)
        store64(&l.word, me)
        return
    add32(&l.waiters, 1)
    while not cas64(&l.word, 0, me):
        sem_down(&l.sem)
        xchg32(&l.pending, 0)
    add32(&l.waiters, <uint32_t>-1)

cdef inline void lock_release(lock_t *l) noexcept nogil:
    if l.kind == LOCK_SEM:
        store64(&l.word, 0)
        sem_post(&l.sem)
        return
    xchg64(&l.word, 0)  # a full barrier: the waiter counts itself, then tries; one of the two sees the other
    if load32(&l.waiters) != 0 and xchg32(&l.pending, 1) == 0:
        sem_post(&l.sem)

cdef inline uint64_t lock_word(uint64_t generation, uint32_t cpu) noexcept nogil:
    """What the lock's word is while `cpu` holds it. Of the first 255 CPUs the upper byte is 0."""
    return <uint64_t>((cpu + 1) >> 8) << 56 | generation << 8 | ((cpu + 1) & 0xFF)

cdef inline int holder_of(uint64_t word) noexcept nogil:
    """CPU in a lock's word, -1 when that is 0."""
    return <int>(word >> 56 << 8 | (word & 0xFF)) - 1

cdef inline uint64_t generation_of(uint64_t word) noexcept nogil:
    """Which of the holder's acquisitions this is."""
    return word << 8 >> 16

cdef inline int lock_holder(lock_t *l) noexcept nogil:
    """CPU that holds the lock, -1 when it is free."""
    return holder_of(load64(&l.word))
