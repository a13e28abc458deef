"""Protocols that get one transition wrong each: what tests/laws/test_transitions.py compiles, outside of the tree's build."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport store32
from shm.cluster cimport swap_cluster_info
from shm.folio cimport PG_DIRTY
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.errno cimport EEXIST
from workers.mm.filemap cimport folio_trylock, folio_unlock
from workers.mm.memory cimport alloc_swap_folio
from workers.mm.page_alloc cimport folio_clear, folio_of, folio_put
from workers.mm.page_io cimport swap_read_folio
from workers.mm.protocol cimport ADD_SWAPIN, SWAPIN_OOM, vm_fault
from workers.mm.swap_count cimport map_count_down
from workers.mm.swap_state cimport folio_enters_cache, folio_leaves_cache
from workers.mm.swapfile cimport (
    swap_cluster_lock, swap_cluster_unlock, swap_dup_entry, swap_entry_free_locked, swap_free, swap_word,
)
from workers.protocols.swap_cache cimport SwapCache


cdef class DupsAfterTheLast(SwapCache):
    """T1: a zap takes a first reference again, of a slot whose folio it has not locked."""

    cdef void free_swap_and_cache(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: page-table lock held; takes cluster lock."""
        swap_free(cpu, self, entry)
        swap_dup_entry(cpu, self, entry)
        swap_free(cpu, self, entry)


cdef class FreesShared(SwapCache):
    """T2: whoever drops a reference frees the slot."""

    cdef void swap_put_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held."""
        map_count_down(cpu, self, entry)
        swap_entry_free_locked(cpu, ci, entry)


cdef class ReadsFreed(SwapCache):
    """T3: the folio of a fault is put at a slot that nobody refers to any more."""

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep."""
        cdef uint32_t pfn = alloc_swap_folio(cpu)
        swap_cluster_lock(cpu, vmf.entry)
        map_count_down(cpu, self, vmf.entry)
        folio_enters_cache(cpu, pfn, vmf.entry, swap_word(cpu, vmf.entry))
        swap_cluster_unlock(cpu, vmf.entry)
        return 0


cdef class DropsUnlocked(SwapCache):
    """F3: the lock of the folio is given up before the folio is taken out."""

    cdef void swap_cache_del_folio(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster lock."""
        folio_unlock(cpu, pfn)
        SwapCache.swap_cache_del_folio(self, cpu, pfn)
        folio_trylock(cpu, pfn)


cdef class FreesUnlocked(SwapCache):
    """T7: the slot is freed after its cluster has been unlocked."""

    cdef void swap_cache_del_folio(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster lock."""
        cdef swp_entry_t entry = folio_of(cpu, pfn).swap
        cdef swap_cluster_info *ci = swap_cluster_lock(cpu, entry)
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), 0)
        cpu.unlock(&ci.lock)
        self.swap_put_cache_locked(cpu, ci, entry)
        cpu.lock(&ci.lock)
        swap_cluster_unlock(cpu, entry)
        folio_put(cpu, pfn)


cdef class ReadsAlone(SwapCache):
    """F5: the folio of a fault is unlocked before it is read."""

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep."""
        cdef uint32_t pfn = alloc_swap_folio(cpu)
        self.swap_cache_add_folio(cpu, pfn, vmf.entry, NULL, ADD_SWAPIN)
        store32(&folio_of(cpu, pfn).lock_owner, 0)
        swap_read_folio(cpu, pfn)
        return 0


cdef class ForgetsTheStore(SwapCache):
    """F7: the slot is given up, and the folio is not marked dirty."""

    cdef bint folio_free_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster lock."""
        cdef bint freed = SwapCache.folio_free_swap(self, cpu, pfn)
        if freed:
            folio_clear(folio_of(cpu, pfn), PG_DIRTY)
        return freed


cdef class RefusesAll(SwapCache):
    """L5: an insertion is refused although no folio is there."""

    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil:
        """Context: folio locked."""
        if how == ADD_SWAPIN:
            return EEXIST
        return SwapCache.swap_cache_add_folio(self, cpu, pfn, entry, shadow, how)


cdef class UnusesNothing(SwapCache):
    """L6: swapoff brings no page back."""

    cdef bint unuse_wants(self, Cpu cpu, uint64_t pte, uint32_t device) noexcept nogil:
        """Context: a look."""
        return False


cdef class AlwaysShort(SwapCache):
    """L7: a fault says that memory is short, and has asked for none."""

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned."""
        return SWAPIN_OOM
