"""swap_table: SWAP_HAS_CACHE is gone; the allocator itself puts the folio in the swap cache.

- Kernel: 7.0 (phase II, patches 14 to 18: d3852f9692b8 and before).
- Holder: the folio in the table, and nothing beside it.
- Loser: finds the winner's folio and sleeps on its lock until the read is done.
- Cost: as swap_cache, with one critical section less for an allocation: no slot is ever allocated and not cached.
"""
from libc.stdint cimport uint32_t

from shm.atomic cimport load32
from shm.cluster cimport swap_cluster_info
from shm.slots cimport slot_has_references, slot_word
from shm.swap_map cimport SLOTS_MAP
from shm.swap_table cimport swp_tb_is_folio
from shm.swapfile cimport SWP_WRITEOK
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.errno cimport ENOMEM
from workers.mm.memcontrol cimport mem_cgroup_try_charge_swap, slot_of
from workers.mm.memory cimport set_present
from workers.mm.page_alloc cimport folio_of
from workers.mm.protocol cimport vm_fault
from workers.mm.swap_count cimport map_count_down, map_count_up_cached
from workers.mm.swap_state cimport folio_enters_cache
from workers.mm.swapfile cimport si_of, swap_entry_free_locked, swap_free_nr, swap_word
from workers.protocols.base cimport find_slots
from workers.protocols.swap_cache cimport SwapCache


cdef class SwapTable(SwapCache):
    def __cinit__(self):
        self.name = "swap_table"
        self.slot_format = SLOTS_MAP

    cdef int swap_dup_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held; takes cont_lock when the count is carried on. The first reference finds the byte 0."""
        return map_count_up_cached(cpu, self, entry, swp_tb_is_folio(slot_word(&cpu.m, slot_of(cpu, entry))))

    cdef void swap_put_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held. The slot is free when it has no count and its word no folio."""
        if map_count_down(cpu, self, entry) and not swp_tb_is_folio(slot_word(&cpu.m, slot_of(cpu, entry))):
            swap_entry_free_locked(cpu, ci, entry)

    cdef void swap_put_cache_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held, the folio out of the word. A slot without a count goes."""
        if not slot_has_references(&cpu.m, slot_of(cpu, entry)):
            swap_entry_free_locked(cpu, ci, entry)

    cdef bint cluster_alloc_range(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry, uint32_t pfn, uint32_t nr) noexcept nogil:
        """Context: folio locked; cluster lock held. Allocation and insertion are one critical section."""
        if not load32(&si_of(cpu, entry).flags) & SWP_WRITEOK:
            return False
        folio_enters_cache(cpu, pfn, entry, swap_word(cpu, entry))
        return True

    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh, bint skip_if_exists) noexcept nogil:
        """Context: the device is pinned; may sleep. Who inserts waits for nobody, and so needs no `skip_if_exists` (patch 13)."""
        return SwapCache.swap_cache_alloc_folio(self, cpu, entry, memcg, fresh, False)

    cdef void map_swapped_in(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: folio locked, page-table lock held. The count first; the slot stays pinned by the cache (folio_put_swap)."""
        swap_free_nr(cpu, self, vmf.start, vmf.nr)
        set_present(cpu, vmf)
        if self.should_try_to_free_swap(cpu, vmf, 1 + vmf.nr):  # the fault's own reference, and those of the PTEs
            self.folio_free_swap(cpu, vmf.folio)

    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster locks. A charge that fails takes the folio out again, which frees the slot."""
        cdef swp_entry_t entry = find_slots(cpu, self, pfn, folio_of(cpu, pfn).order)
        if not entry:
            return ENOMEM
        if mem_cgroup_try_charge_swap(cpu, self, pfn, entry) < 0:
            self.swap_cache_del_folio(cpu, pfn)
            cpu.my.dropped_clean = 0  # nothing was written: the folio is what it was before
            return ENOMEM
        return 0

    cdef void swap_pin_cache_locked(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held. The word is all."""
