"""Sleeping: the folio lock, writeback, the mmap_lock. One hashed table of queues of CPUs, first come first served.

A CPU waits for one thing at a time, so its queue entry lies in its own block. `folio_unlock` does not free a lock that
somebody waits for: it hands it over, and wakes everybody who only waited for an unlock.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport add32, cas32, fetch_and32, load32, load64, store32
from shm.folio cimport IO_OWNER, PG_DIRTY, PG_LOCKED, PG_WAITERS, PG_WRITEBACK, folio_t
from shm.layout cimport percpu_of, wait_queue
from shm.lock cimport CLASS_FOLIO, CLASS_MMAP
from shm.mm cimport mm_struct
from shm.percpu cimport (
    WAIT_MODE_EVENT, WAIT_MODE_EXCLUSIVE, WAIT_MODE_NONE, WAIT_MODE_UNLOCK, WAIT_MODE_WRITEBACK, percpu_t,
)
from shm.trace cimport TRACE_FOLIO_WAIT
from shm.vmstat cimport EV_TICK_SLEEPS, WAIT_MMAP_LOCK, WAIT_TICK_SLEEP, WARN_CLEAN_DROPPED, WARN_LOST_WAKEUP
from workers.cpu cimport (
    ADDS, READS, WRITES, Cpu, count, might_sleep, point, sleeping_lock, sleeping_unlock, trace, warn,
)
from workers.mm.page_alloc cimport folio_of, folio_set, folio_test, folio_test_set

cdef enum:
    MMAP_WRITER = 1 << 31
    WATCH_NS = 1000000000  # far above any wait that ends by itself


cdef inline wait_queue *queue_of(Cpu cpu, void *address) noexcept nogil:
    """The hash takes the offset in the segment: addresses differ between processes and runs. Context: none."""
    cdef uint64_t key = <uint64_t>(<char *>address - cpu.m.base) >> 6
    return &cpu.m.wait_queues[(key * <uint64_t>0x9E3779B97F4A7C15) >> 58]


cdef void enqueue(Cpu cpu, wait_queue *q, void *address, uint32_t mode) noexcept nogil:
    """Context: the queue's lock held."""
    cpu.my.wait_addr = <uint64_t>(<char *>address - cpu.m.base)
    cpu.my.wait_mode = mode
    cpu.my.wait_next = 0
    if q.tail:
        percpu_of(&cpu.m, q.tail - 1).wait_next = cpu.id + 1
    else:
        q.head = cpu.id + 1
    q.tail = cpu.id + 1


cdef void dequeue(Cpu cpu, wait_queue *q, uint32_t before, uint32_t entry) noexcept nogil:
    """Take CPU `entry` - 1 out; `before` is its predecessor or 0. Context: the queue's lock held."""
    cdef percpu_t *waiter = percpu_of(&cpu.m, entry - 1)
    if before:
        percpu_of(&cpu.m, before - 1).wait_next = waiter.wait_next
    else:
        q.head = waiter.wait_next
    if q.tail == entry:
        q.tail = before
    waiter.wait_mode = WAIT_MODE_NONE
    waiter.wait_next = 0


cdef void dequeue_self(Cpu cpu, wait_queue *q) noexcept nogil:
    """Take this CPU out, wherever it stands. Context: the queue's lock held; this CPU is in the queue."""
    cdef uint32_t before = 0, entry = q.head
    while entry != cpu.id + 1:
        before = entry
        entry = percpu_of(&cpu.m, entry - 1).wait_next
    dequeue(cpu, q, before, entry)


cdef uint32_t wake_matching(Cpu cpu, wait_queue *q, void *address, uint32_t mode, uint32_t *left) noexcept nogil:
    """Wake all waiters of that address and mode, in order; returns the first exclusive one + 1, dequeued, if UNLOCK.

    `left` becomes the number of other waiters of that address. Context: the queue's lock held.
    """
    cdef uint64_t key = <uint64_t>(<char *>address - cpu.m.base)
    cdef uint32_t before = 0, entry = q.head, after, heir = 0
    cdef percpu_t *waiter
    left[0] = 0
    while entry:
        waiter = percpu_of(&cpu.m, entry - 1)
        after = waiter.wait_next
        if waiter.wait_addr == key and waiter.wait_mode == mode:
            dequeue(cpu, q, before, entry)
            cpu.wake(entry - 1)
        elif waiter.wait_addr == key and mode == WAIT_MODE_UNLOCK and waiter.wait_mode == WAIT_MODE_EXCLUSIVE and not heir:
            dequeue(cpu, q, before, entry)
            heir = entry
        else:
            if waiter.wait_addr == key:
                left[0] += 1
            before = entry
        entry = after
    return heir


cdef bint take_lost(Cpu cpu, wait_queue *q, uint32_t pfn, uint32_t bit) noexcept nogil:
    """Whether what this CPU waits for has come and nobody woke it: told, and taken. Context: the queue's lock held."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    if cpu.my.wait_mode == WAIT_MODE_NONE or folio_test(folio, bit):
        return False
    if cpu.my.wait_mode == WAIT_MODE_EXCLUSIVE:
        if folio_test_set(folio, PG_LOCKED):
            return False
        store32(&folio.lock_owner, cpu.id + 1)
    dequeue_self(cpu, q)
    warn(cpu, WARN_LOST_WAKEUP, load64(&folio.swap), pfn, bit)
    return True


cdef void sleep_on(Cpu cpu, wait_queue *q, uint32_t pfn, uint32_t bit, int cause) noexcept nogil:
    """Asleep until woken. In real time a CPU that has slept for long looks whether its wake-up was lost (law L2); in a
    cooperative run nobody would be enabled, which is a deadlock told at once. Context: queued; no lock held; sleeps."""
    cdef bint lost, cleared = False
    if cpu.cooperative:
        cpu.park(cause)
        return
    while not cpu.park_timeout(WATCH_NS, cause):
        cpu.lock(&q.lock)
        lost = cleared and take_lost(cpu, q, pfn, bit)
        cleared = not folio_test(folio_of(cpu, pfn), bit)  # the waker may be on its way: at the second look it is lost
        cpu.unlock(&q.lock)
        if lost:
            return


cdef void folio_lock(Cpu cpu, uint32_t pfn, int cause) noexcept nogil:
    """Lock, asleep while somebody else holds it; the time counts for `cause`.

    Context: a reference held, no spinlock; sleeps.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef wait_queue *q
    sleeping_lock(cpu, CLASS_FOLIO, False)
    point(cpu, &folio.flags, WRITES)
    if not folio_test_set(folio, PG_LOCKED):
        store32(&folio.lock_owner, cpu.id + 1)
        return
    q = queue_of(cpu, folio)
    cpu.lock(&q.lock)
    point(cpu, &folio.flags, WRITES)
    folio_set(folio, PG_WAITERS)
    if not folio_test_set(folio, PG_LOCKED):
        store32(&folio.lock_owner, cpu.id + 1)
        cpu.unlock(&q.lock)
        return
    enqueue(cpu, q, folio, WAIT_MODE_EXCLUSIVE)
    cpu.unlock(&q.lock)
    trace(cpu, TRACE_FOLIO_WAIT, load64(&folio.swap), pfn, 0)
    sleep_on(cpu, q, pfn, PG_LOCKED, cause)


cdef bint folio_trylock(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Context: a reference held; does not sleep."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    point(cpu, &folio.flags, WRITES)
    if folio_test_set(folio, PG_LOCKED):
        return False
    store32(&folio.lock_owner, cpu.id + 1)
    sleeping_lock(cpu, CLASS_FOLIO, True)
    return True


cdef void folio_lock_new(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Lock a folio that nobody else can see yet (kernel: __folio_set_locked). Context: sole owner."""
    folio_set(folio_of(cpu, pfn), PG_LOCKED)
    store32(&folio_of(cpu, pfn).lock_owner, cpu.id + 1)
    sleeping_lock(cpu, CLASS_FOLIO, True)


cdef void folio_lock_to_io(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The read that was just submitted owns the lock from here; its completion unlocks. Context: folio locked by us."""
    store32(&folio_of(cpu, pfn).lock_owner, IO_OWNER)
    sleeping_unlock(cpu, CLASS_FOLIO)


cdef void folio_lock_from_io(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The completion takes the lock over from the read. Context: the device CPU."""
    store32(&folio_of(cpu, pfn).lock_owner, cpu.id + 1)
    sleeping_lock(cpu, CLASS_FOLIO, True)


cdef void check_dropped(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Warn of a folio that left the swap cache clean, with its slot, and is so still (law F7). Context: folio locked by us."""
    if cpu.my.dropped_clean == pfn:
        cpu.my.dropped_clean = 0
        if not folio_test(folio_of(cpu, pfn), PG_DIRTY):
            warn(cpu, WARN_CLEAN_DROPPED, pfn, load32(&folio_of(cpu, pfn).flags), 0)


cdef void folio_unlock(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Unlock: to the first waiter when there is one. Context: folio locked by us, its laws hold here; takes the queue's lock."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef wait_queue *q
    cdef uint32_t seen, heir, left
    if cpu.my.dropped_clean:
        check_dropped(cpu, pfn)
    if cpu.cooperative:
        cpu.folio_unlocked(pfn)
    sleeping_unlock(cpu, CLASS_FOLIO)
    point(cpu, &folio.flags, WRITES)
    store32(&folio.lock_owner, 0)
    while True:
        seen = load32(&folio.flags)
        if seen & PG_WAITERS:
            break
        if cas32(&folio.flags, seen, seen & ~<uint32_t>PG_LOCKED):
            return
    q = queue_of(cpu, folio)
    cpu.lock(&q.lock)
    heir = wake_matching(cpu, q, folio, WAIT_MODE_UNLOCK, &left)
    point(cpu, &folio.flags, WRITES)
    if not left:
        fetch_and32(&folio.flags, ~<uint32_t>PG_WAITERS)
    if heir:
        store32(&folio.lock_owner, heir)
        cpu.wake(heir - 1)
    else:
        fetch_and32(&folio.flags, ~<uint32_t>PG_LOCKED)
    cpu.unlock(&q.lock)


cdef void wait_bit(Cpu cpu, uint32_t pfn, uint32_t bit, uint32_t mode, int cause) noexcept nogil:
    """Sleep until the next time `bit` is cleared, unless it is clear. Context: a reference held; sleeps."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef wait_queue *q
    point(cpu, &folio.flags, READS)
    if not folio_test(folio, bit):
        return
    q = queue_of(cpu, folio)
    cpu.lock(&q.lock)
    point(cpu, &folio.flags, WRITES)
    folio_set(folio, PG_WAITERS)
    if not folio_test(folio, bit):
        cpu.unlock(&q.lock)
        return
    enqueue(cpu, q, folio, mode)
    cpu.unlock(&q.lock)
    sleep_on(cpu, q, pfn, bit, cause)


cdef void folio_wait_locked(Cpu cpu, uint32_t pfn, int cause) noexcept nogil:
    """Wait until somebody unlocks, without taking the lock. Context: a reference held, no spinlock; sleeps."""
    wait_bit(cpu, pfn, PG_LOCKED, WAIT_MODE_UNLOCK, cause)


cdef void folio_wait_writeback(Cpu cpu, uint32_t pfn, int cause) noexcept nogil:
    """Context: a reference held; the folio may be locked; sleeps."""
    while folio_test(folio_of(cpu, pfn), PG_WRITEBACK):
        wait_bit(cpu, pfn, PG_WRITEBACK, WAIT_MODE_WRITEBACK, cause)


cdef void folio_end_writeback(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The write is on the device. Context: a reference held; takes the queue's lock."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef wait_queue *q
    cdef uint32_t left
    point(cpu, &folio.flags, WRITES)
    if not fetch_and32(&folio.flags, ~<uint32_t>PG_WRITEBACK) & PG_WAITERS:
        return
    q = queue_of(cpu, folio)
    cpu.lock(&q.lock)
    wake_matching(cpu, q, folio, WAIT_MODE_WRITEBACK, &left)
    if not left and not folio_test(folio, PG_LOCKED):
        fetch_and32(&folio.flags, ~<uint32_t>PG_WAITERS)
    cpu.unlock(&q.lock)


cdef bint wait_event_tick(Cpu cpu, void *address, uint64_t ns, int cause) noexcept nogil:
    """Wait for wake_event(address), `ns` at most. True when it came. Context: no spinlock; sleeps."""
    cdef wait_queue *q = queue_of(cpu, address)
    might_sleep(cpu)
    cpu.lock(&q.lock)
    enqueue(cpu, q, address, WAIT_MODE_EVENT)
    cpu.unlock(&q.lock)
    if cpu.park_timeout(ns, cause):
        return True
    cpu.lock(&q.lock)
    if cpu.my.wait_mode != WAIT_MODE_NONE:
        dequeue_self(cpu, q)
        cpu.unlock(&q.lock)
        return False
    cpu.unlock(&q.lock)
    cpu.park(cause)  # the wake-up was under way: take its token
    return True


cdef void wake_event(Cpu cpu, void *address) noexcept nogil:
    """Wake everybody who waits for that event. Context: takes the queue's lock."""
    cdef wait_queue *q = queue_of(cpu, address)
    cdef uint32_t left
    cpu.lock(&q.lock)
    wake_matching(cpu, q, address, WAIT_MODE_EVENT, &left)
    cpu.unlock(&q.lock)


cdef void swapcache_wait(Cpu cpu) noexcept nogil:
    """Sleep on the one queue of all losers (6.12 to 6.19), for a tick at most. Context: no spinlock; sleeps.

    What was waited for may have come before the enqueuing: nothing is looked at in between, as in the kernel.
    """
    cdef uint64_t now = cpu.now(), tick = cpu.m.control.tick_ns
    point(cpu, &cpu.m.control.swapcache_waiters, WRITES)
    add32(&cpu.m.control.swapcache_waiters, 1)
    if not wait_event_tick(cpu, &cpu.m.control.swapcache_waiters, (now // tick + 2) * tick - now, WAIT_TICK_SLEEP):
        count(cpu, EV_TICK_SLEEPS)
    add32(&cpu.m.control.swapcache_waiters, <uint32_t>-1)


cdef void swapcache_wake(Cpu cpu) noexcept nogil:
    """Wake all losers, of whatever slot, if there is one. Context: takes the queue's lock."""
    point(cpu, &cpu.m.control.swapcache_waiters, READS)
    if load32(&cpu.m.control.swapcache_waiters):
        wake_event(cpu, &cpu.m.control.swapcache_waiters)


cdef bint try_read(Cpu cpu, mm_struct *mm) noexcept nogil:
    """One reader more, unless there is a writer or one waits. Context: no lock needed, does not sleep."""
    cdef uint32_t seen
    while True:
        seen = load32(&mm.mmap_lock)
        if seen & MMAP_WRITER or load32(&mm.mmap_waiters):
            return False
        if cas32(&mm.mmap_lock, seen, seen + 1):
            return True


cdef void mmap_wait(Cpu cpu, mm_struct *mm, bint writer) noexcept nogil:
    """Take mmap_lock, asleep as long as it takes. Context: no spinlock; sleeps."""
    cdef wait_queue *q = queue_of(cpu, mm)
    while True:
        cpu.lock(&q.lock)
        if (cas32(&mm.mmap_lock, 0, MMAP_WRITER) if writer else try_read(cpu, mm)):
            cpu.unlock(&q.lock)
            return
        enqueue(cpu, q, mm, WAIT_MODE_EVENT)
        cpu.unlock(&q.lock)
        cpu.park(WAIT_MMAP_LOCK)


cdef void mmap_read_lock(Cpu cpu, uint32_t mm) noexcept nogil:
    """Context: no spinlock; may sleep. A waiting writer holds new readers off."""
    cdef mm_struct *s = &cpu.m.mms[mm]
    sleeping_lock(cpu, CLASS_MMAP, False)
    point(cpu, s, ADDS)
    if not try_read(cpu, s):
        mmap_wait(cpu, s, False)


cdef void mmap_read_unlock(Cpu cpu, uint32_t mm) noexcept nogil:
    """Context: mmap_lock held for reading."""
    cdef mm_struct *s = &cpu.m.mms[mm]
    sleeping_unlock(cpu, CLASS_MMAP)
    point(cpu, s, WRITES if load32(&s.mmap_waiters) else ADDS)
    if add32(&s.mmap_lock, <uint32_t>-1) == 0 and load32(&s.mmap_waiters):
        wake_event(cpu, s)


cdef void mmap_write_lock(Cpu cpu, uint32_t mm) noexcept nogil:
    """Context: no spinlock; may sleep."""
    cdef mm_struct *s = &cpu.m.mms[mm]
    sleeping_lock(cpu, CLASS_MMAP, False)
    point(cpu, s, WRITES)
    add32(&s.mmap_waiters, 1)
    mmap_wait(cpu, s, True)
    add32(&s.mmap_waiters, <uint32_t>-1)


cdef void mmap_write_downgrade(Cpu cpu, uint32_t mm) noexcept nogil:
    """Other readers may come beside this one. Context: mmap_lock held for writing, from here on for reading."""
    cdef mm_struct *s = &cpu.m.mms[mm]
    point(cpu, s, READS | WRITES)
    store32(&s.mmap_lock, 1)
    wake_event(cpu, s)


cdef void mmap_write_unlock(Cpu cpu, uint32_t mm) noexcept nogil:
    """Context: mmap_lock held for writing."""
    cdef mm_struct *s = &cpu.m.mms[mm]
    sleeping_unlock(cpu, CLASS_MMAP)
    point(cpu, s, WRITES)
    store32(&s.mmap_lock, 0)
    wake_event(cpu, s)
