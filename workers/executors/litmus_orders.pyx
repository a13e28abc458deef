"""Programs of the self-test that go wrong where a store or an unlock is seen late, and not where a barrier follows it.

In every interleaving of their steps they are legal: only an exploration with delayed stores finds them.
"""
from libc.stdint cimport uint32_t

from shm.atomic cimport store64
from shm.vmstat cimport WAIT_DEVICE
from workers.cpu cimport WRITES, Cpu, load_own64, point, smp_mb, store_delayable32, store_delayable64
from workers.executors.engine cimport Body
from workers.executors.litmus cimport get, put, word

from functools import partial


cdef class Ordered(Body):
    """Abstract: a program that goes right with a `barrier`."""
    cdef bint barrier

    def __init__(self, barrier: bool = False) -> None:
        self.barrier = barrier


cdef class Stores(Ordered):
    """CPUs 0 and 1 each store, and then look whether the other one has: at least one must see it (get_swap_device)."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        if cpu.id > 1:
            return
        point(cpu, word(cpu, 1 + <int>cpu.id), WRITES)
        store_delayable64(cpu, word(cpu, 1 + <int>cpu.id), load_own64(cpu, word(cpu, 1 + <int>cpu.id)) + 1)
        if self.barrier:
            smp_mb(cpu)
        if load_own64(cpu, word(cpu, 1 + <int>cpu.id)) != 1:
            put(cpu, 0, 100)
        if get(cpu, 2 - <int>cpu.id) == 0:
            put(cpu, 3 + <int>cpu.id, 1)
            if get(cpu, 4 - <int>cpu.id):
                put(cpu, 0, 100)


cdef class Cleared(Ordered):
    """CPU 0 clears word 1, then counts down: who sees the count must see it cleared (swap_range_free, try_to_unuse)."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        if cpu.id == 0:
            put(cpu, 1, 7)
            put(cpu, 2, 1)
            store_delayable32(cpu, <uint32_t *>word(cpu, 1), 0)
            if self.barrier:
                smp_mb(cpu)
            store64(word(cpu, 2), 2)
            get(cpu, 3)
        elif get(cpu, 2) == 2 and get(cpu, 1) != 0:
            put(cpu, 0, 100)


cdef class Active(Ordered):
    """CPU 0 makes it true, then wakes who waits; the others say that they wait, then look, and sleep (waitqueue_active)."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        cdef uint32_t other
        if cpu.id == 0:
            store_delayable64(cpu, word(cpu, 7), 1)
            if self.barrier:
                smp_mb(cpu)
            for other in range(1, <uint32_t>cpu.m.geo.cpus):
                if get(cpu, <int>other):
                    cpu.wake(other)
            return
        put(cpu, <int>cpu.id, 1)
        if get(cpu, 7) == 0:
            cpu.park(WAIT_DEVICE)


cdef class Evicted(Ordered):
    """CPU 1 stores to a page, sets it dirty and gives its reference back; CPU 0 drops a page of one reference that is clean
    (`__remove_mapping`: references first, then dirty). Words 1 to 3: references, dirty, whether there was a store. The barrier
    is in the atomic that gives the reference back (kernel: folio_put_testzero)."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        if cpu.id == 0:
            put(cpu, 1, get(cpu, 1) + 2)  # its own, and that of CPU 1
            put(cpu, 4, 1)
            if get(cpu, 1) == 1 and get(cpu, 2) == 0 and get(cpu, 3):
                put(cpu, 0, 100)
        elif cpu.id == 1 and get(cpu, 4):
            put(cpu, 3, 1)
            store_delayable64(cpu, word(cpu, 2), 1)
            if self.barrier:
                smp_mb(cpu)
            store64(word(cpu, 1), 1)
            get(cpu, 5)


cdef class Unlocked(Ordered):
    """CPU 1 says 1, then finds CPU 0's lock taken; CPU 0 unlocks, then looks: it must see the 1."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        if cpu.id == 0:
            cpu.lock(cpu.m.mmlist_lock)
            cpu.unlock(cpu.m.mmlist_lock)
            if self.barrier:
                smp_mb(cpu)
            if get(cpu, 1) == 0:
                put(cpu, 2, 1)
                if get(cpu, 3):
                    put(cpu, 0, 100)
        elif cpu.id == 1:
            put(cpu, 1, 1)
            if cpu.trylock(cpu.m.mmlist_lock):
                cpu.unlock(cpu.m.mmlist_lock)
                return
            put(cpu, 3, 1)
            if get(cpu, 2):
                put(cpu, 0, 100)


WITHOUT_BARRIER = {cls.__name__: cls for cls in (Stores, Cleared, Active, Evicted, Unlocked)}
WITH_BARRIER = {f"{name}WithBarrier": partial(cls, True) for name, cls in WITHOUT_BARRIER.items()}
