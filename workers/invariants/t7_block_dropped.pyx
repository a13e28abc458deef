"""T7. The driver of a synchronous device is told of a free under the cluster's lock, once: told too early it drops what is
still read, told too late it keeps for the next owner what was the last one's."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.slots cimport slot_is_free
from shm.swapfile cimport SWP_SYNCHRONOUS_IO
from shm.vmstat cimport WARN_FREE_UNLOCKED
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell

from workers.invariants.law import ALL


cdef class BlockDropped(ClusterLaw):
    """A slot is freed under its cluster's lock, and a free slot of a synchronous device has no block."""

    def __cinit__(self):
        self.id = "T7"
        self.plain = True
        self.points = ("C", "T")
        self.cluster_protocols = ALL
        self.noticed[WARN_FREE_UNLOCKED] = b"CPU %lu freed a slot without its cluster's lock: entry 0x%lx (0x%lx, 0x%lx)"

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint32_t *handles = &m.handles[first_slot(m, device)]
        cdef uint64_t i
        if not m.si[device].flags & SWP_SYNCHRONOUS_IO:
            return
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            if handles[i] != 0 and slot_is_free(m, first_slot(m, device) + i):
                tell(out, b"device %lu slot %lu is free, and block %lu is still its", device, i, handles[i], 0)
