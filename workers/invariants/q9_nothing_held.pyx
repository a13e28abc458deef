"""Q9. What is held when nobody works is held for ever.

PG_waiters is no such thing: it may stay set after its last waiter has gone. Who waits stands in the queues.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from shm.folio cimport PG_LOCKED, PG_WRITEBACK
from shm.layout cimport NR_WAIT_QUEUES, layout_t, percpu_of
from shm.lock cimport generation_of, holder_of, lock_t
from workers.invariants.law cimport Law, finding_t, tell


cdef void free_lock(lock_t *l, uint64_t index, finding_t *out) noexcept nogil:
    if l.word != 0:
        tell(out, b"lock %lu of class %lu is held by CPU %lu, generation %lu", index, l.cls, <uint64_t>holder_of(l.word),
             generation_of(l.word))


cdef void locks_of_devices(layout_t *m, finding_t *out) noexcept nogil:
    cdef uint64_t i
    free_lock(m.swapon_mutex, 0, out)
    free_lock(&m.swap_avail.lock, 0, out)
    for i in range(m.geo.devices):
        free_lock(&m.si[i].lock, i, out)
        free_lock(&m.si[i].global_cluster_lock, i, out)
        free_lock(&m.devices[i].lock, i, out)
    for i in range(m.geo.devices * m.clusters_per_device):
        free_lock(&m.clusters[i].lock, i, out)
    for i in range(m.geo.devices * m.xa_per_device):
        free_lock(&m.xa_locks[i], i, out)


cdef void locks_of_memory(layout_t *m, finding_t *out) noexcept nogil:
    cdef uint64_t i, held = 0
    free_lock(m.mmlist_lock, 0, out)
    free_lock(&m.zone.lock, 0, out)
    for i in range(m.geo.memcgs + 1):
        free_lock(&m.memcgs[i].lru_lock, i, out)
    for i in range(m.geo.mms):
        free_lock(&m.anon_vmas[i].lock, i, out)
        if m.mms[i].mmap_lock != 0:
            tell(out, b"mm %lu: mmap_lock is 0x%lx", i, m.mms[i].mmap_lock, 0, 0)
    for i in range(m.geo.mms * m.ptls_per_mm):
        free_lock(&m.ptls[i], i, out)
    if m.geo.inodes:
        free_lock(m.swaplist_lock, 0, out)
    for i in range(m.geo.inodes):
        free_lock(&m.inodes[i].i_pages, i, out)
    for i in range(NR_WAIT_QUEUES):
        held |= m.wait_queues[i].lock.word | m.wait_queues[i].head
    for i in range(NR_WAIT_QUEUES if held else 0):
        free_lock(&m.wait_queues[i].lock, i, out)
        if m.wait_queues[i].head != 0:
            tell(out, b"wait queue %lu: CPU %lu waits in it", i, m.wait_queues[i].head - 1, 0, 0)


cdef class NothingHeld(Law):
    """At rest no folio is locked or under writeback, no lock is held, no CPU queues, no device has a user."""

    def __cinit__(self):
        self.id = "Q9"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t i, device
        cdef int64_t users
        for i in range(1, <uint32_t>m.geo.folios):
            if m.folios[i].flags & (PG_LOCKED | PG_WRITEBACK):
                tell(out, b"folio %lu: flags are 0x%lx, locked by %lu", i, m.folios[i].flags, m.folios[i].lock_owner, 0)
        if m.control.nr_writeback != 0:
            tell(out, b"nr_writeback is %ld", <uint64_t>m.control.nr_writeback, 0, 0, 0)
        locks_of_devices(m, out)
        locks_of_memory(m, out)
        for device in range(<uint32_t>m.geo.devices):
            users = 0
            for i in range(<uint32_t>m.geo.cpus):
                users += percpu_of(m, i).users[device]
            if users != 0:
                tell(out, b"device %lu has %ld users", device, <uint64_t>users, 0, 0)
