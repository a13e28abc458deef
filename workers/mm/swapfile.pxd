"""Slots, their references, their clusters, their device (kernel: mm/swapfile.c, 6.12 to 7.0)."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from shm.atomic cimport fetch_and32, fetch_or32, load32, load8, load_i64
from shm.cluster cimport swap_cluster_info
from shm.layout cimport cluster_at, cluster_of, place_in_cluster, table_of
from shm.lock cimport lock_t
from shm.swap_map cimport SLOTS_TABLE, SWAP_HAS_CACHE
from shm.slots cimport slot_byte, slot_count, slot_has_references, slot_is_zero
from shm.swapfile cimport SWAP_ADDRESS_SPACE_SHIFT, SWP_SYNCHRONOUS_IO, swap_info_struct
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_offset, swp_type
from workers.cpu cimport READS, WRITES, Cpu, point
from workers.mm.memcontrol cimport slot_of
from workers.mm.protocol cimport Protocol

cdef bint get_swap_device(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef void put_swap_device(Cpu cpu, uint32_t device) noexcept nogil
cdef void check_slot(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef swap_cluster_info *swap_cluster_lock(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef void swap_cluster_unlock(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef void swap_cache_lock(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef void swap_cache_unlock(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef int folio_dup_swap(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil
cdef void swap_shmem_alloc(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef int swap_dup_entry(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil
cdef void swap_slot_free_notify(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef int swapcache_prepare(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef void swap_free_nr(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef void put_cache_locked(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef void put_swap_folio(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef void swap_entry_free_locked(Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil

cdef inline void claim_begins(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """Name the slots that this CPU has claimed; 0: none. Context: none; writes this CPU's own block."""
    cpu.my.claimed_entry = entry
    cpu.my.claimed_nr = nr

cdef inline void swap_free(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil:
    """A PTE that referred to the slot does no more. Context: takes the cluster lock."""
    swap_free_nr(cpu, p, entry, 1)

cdef inline swap_info_struct *si_of(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Context: none; fields as swapfile.pxd of shm says."""
    return &cpu.m.si[swp_type(entry)]

cdef inline swap_cluster_info *ci_of(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Context: none; fields under the cluster lock."""
    return cluster_of(&cpu.m, swp_type(entry), cluster_at(&cpu.m, swp_offset(entry)))

cdef inline uint32_t cluster_offset(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Place of the slot in its cluster. Context: none."""
    return <uint32_t>place_in_cluster(&cpu.m, swp_offset(entry))

cdef inline lock_t *i_pages_of(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The lock of the address_space that caches this slot, up to 6.17: one per 16384 slots. Context: none."""
    return &cpu.m.xa_locks[swp_type(entry) * cpu.m.xa_per_device + (swp_offset(entry) >> SWAP_ADDRESS_SPACE_SHIFT)]

cdef inline uint64_t *swap_word(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The slot's word in its cluster's swap table; NULL when the cluster has none.

    Context: none to look, cluster lock (i_pages lock up to 6.17) to change.
    """
    cdef uint32_t table = load32(&ci_of(cpu, entry).table)
    if table == 0:
        return NULL
    return &table_of(&cpu.m, table)[cluster_offset(cpu, entry)]

cdef inline void *count_of(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Where the slot's references are counted: the object of a step that looks at them. Context: none."""
    if cpu.m.geo.slot_format != SLOTS_TABLE:
        return &cpu.m.swap_map[slot_of(cpu, entry)]
    return swap_word(cpu, entry)

cdef inline uint8_t swap_map_get(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The byte, up to 7.0. Context: cluster lock, or a look that is verified later."""
    point(cpu, &cpu.m.swap_map[slot_of(cpu, entry)], READS)
    return slot_byte(&cpu.m, slot_of(cpu, entry))

cdef inline uint64_t swap_count(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """References, 0 for a bad slot (kernel: swap_swapcount). Context: cluster lock, or a look that is verified later."""
    point(cpu, count_of(cpu, entry), READS)
    if cpu.cooperative:
        check_slot(cpu, entry)
    return slot_count(&cpu.m, slot_of(cpu, entry))

cdef inline bint swap_entry_referenced(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Whether anybody refers to the slot. Context: cluster lock, or a look that is verified later."""
    point(cpu, count_of(cpu, entry), READS)
    if cpu.cooperative:
        check_slot(cpu, entry)
    return slot_has_references(&cpu.m, slot_of(cpu, entry))

cdef inline void zeromap_set(Cpu cpu, uint64_t slot, bint zero) noexcept nogil:
    """Have the zero-filled map say that of a slot. Context: its folio locked and in the swap cache, or cluster lock held."""
    if slot_is_zero(&cpu.m, slot) == zero:
        return
    point(cpu, &cpu.m.zeromap[slot >> 5], WRITES)
    if zero:
        fetch_or32(&cpu.m.zeromap[slot >> 5], <uint32_t>1 << (slot & 31))
    else:
        fetch_and32(&cpu.m.zeromap[slot >> 5], ~(<uint32_t>1 << (slot & 31)))

cdef inline bint synchronous_io(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Context: the device is pinned."""
    return (load32(&si_of(cpu, entry).flags) & SWP_SYNCHRONOUS_IO) != 0

cdef inline bint vm_swap_full(Cpu cpu) noexcept nogil:
    """Over half of all swap is used: cache-only slots are worth reclaiming. Context: none, a guess."""
    return load_i64(&cpu.m.control.nr_swap_pages) * 2 < load_i64(&cpu.m.control.total_swap_pages)
