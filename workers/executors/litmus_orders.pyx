"""Programs of the self-test that go wrong where a store or an unlock is seen late, and not where a barrier follows it.

In every interleaving of their steps they are legal: only an exploration with delayed stores finds them.
"""
from libc.stdint cimport uint32_t

from shm.atomic cimport store64
from shm.vmstat cimport WAIT_DEVICE
from workers.cpu cimport WRITES, Cpu, load_own64, point, smp_mb, store_delayable32, store_delayable64
from workers.executors.engine cimport Body
from workers.executors.litmus cimport get, put, word


cdef class Stores(Body):
    """CPUs 0 and 1 each store, and then look whether the other one has: at least one must see it (get_swap_device)."""
    cdef bint barrier

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


cdef class StoresWithBarrier(Stores):
    """The same with a barrier in between."""

    def __cinit__(self):
        self.barrier = True


cdef class Cleared(Body):
    """CPU 0 clears word 1, then counts down: who sees the count must see it cleared (swap_range_free, try_to_unuse)."""
    cdef bint barrier

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


cdef class ClearedWithBarrier(Cleared):
    """The same with a barrier in between."""

    def __cinit__(self):
        self.barrier = True


cdef class Active(Body):
    """CPU 0 makes it true, then wakes who waits; the others say that they wait, then look, and sleep (waitqueue_active)."""
    cdef bint barrier

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


cdef class ActiveWithBarrier(Active):
    """The same with a barrier in between."""

    def __cinit__(self):
        self.barrier = True


cdef class Evicted(Body):
    """CPU 1 stores to a page, sets it dirty and gives its reference back; CPU 0 drops a page of one reference that is clean
    (`__remove_mapping`: references first, then dirty). Words 1 to 3: references, dirty, whether there was a store."""
    cdef bint barrier

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


cdef class EvictedWithBarrier(Evicted):
    """The same with a barrier in between: giving a reference back is an atomic that orders (kernel: folio_put_testzero)."""

    def __cinit__(self):
        self.barrier = True


cdef class Unlocked(Body):
    """CPU 1 says 1, then finds CPU 0's lock taken; CPU 0 unlocks, then looks: it must see the 1."""
    cdef bint barrier

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


cdef class UnlockedWithBarrier(Unlocked):
    """The same with a barrier in between."""

    def __cinit__(self):
        self.barrier = True


ORDERS = (
    Stores, StoresWithBarrier, Cleared, ClearedWithBarrier, Active, ActiveWithBarrier, Evicted, EvictedWithBarrier, Unlocked,
    UnlockedWithBarrier,
)
