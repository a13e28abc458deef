"""Who may put a folio in, and under which lock, is the protocol's to say; what it means then is the same for all."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uint8_t

from shm.atomic cimport add_i32, load32, load64, load_i32, load_i64, store64
from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, PG_UPTODATE, PG_WRITEBACK, folio_t
from shm.inject cimport INJECT_DEVICE_ERROR
from shm.layout cimport block_of, payload_of, zswap_page_of
from shm.memcg cimport COUNTER_SWAP, page_counter
from shm.percpu cimport is_reserved
from shm.swap_table cimport (
    pfn_to_swp_tb, shadow_to_swp_tb, swap_table_set, swp_tb_count_bits, swp_tb_is_folio, swp_tb_to_pfn,
)
from shm.shmem cimport MAPPING_NONE
from shm.slots cimport slot_has_references, slot_in_zswap, slot_is_zero
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.trace cimport TRACE_ADD_FOLIO, TRACE_DEL_FOLIO
from shm.vmstat cimport (
    WARN_ADD_CACHED, WARN_ADD_WRONG, WARN_CACHE_UNLOCKED, WARN_DEL_FOREIGN, WARN_DEL_ONLY_COPY, WARN_TABLE_STUCK,
)
from workers.cpu cimport READS, WRITES, Cpu, point, trace, warn
from workers.mm.checks cimport note_slot_of_folio
from workers.mm.content cimport content_identity, content_is_zero, content_stamp
from workers.mm.memcontrol cimport mod_swapcache_stat, slot_of
from workers.mm.page_alloc cimport (
    folio_clear, folio_of, folio_pages, folio_put, folio_set, folio_test, folio_try_get,
)
from workers.mm.page_counter cimport counter_of, parent_mem_cgroup
from workers.mm.swapfile cimport (
    check_slot, swap_cache_lock, swap_cache_unlock, swap_cluster_lock, swap_cluster_unlock, swap_entry_referenced,
    swap_word, vm_swap_full,
)

cdef enum:
    LOOKUPS_COOPERATIVE = 1000  # a frozen folio is let go within a few steps; more is a word that points at nothing
    LOOKUPS_REAL = 1 << 22


cdef uint32_t swap_cache_get_folio(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The folio that caches the slot, with a reference; PFN_NONE when none does.

    The table may be freed and another cluster's meanwhile, and the folio another slot's: whoever uses the result locks
    it and asks folio_matches_swap_entry. Context: the device is pinned; no lock needed.
    """
    cdef uint64_t *word
    cdef uint64_t seen
    cdef uint32_t tries = 0
    while True:
        if cpu.cooperative:
            check_slot(cpu, entry)
        word = swap_word(cpu, entry)
        if word == NULL:
            return 0
        point(cpu, word, READS)
        seen = load64(word)
        if not swp_tb_is_folio(seen):
            return 0
        if folio_try_get(cpu, swp_tb_to_pfn(seen)):
            point(cpu, word, READS)
            if swap_word(cpu, entry) == word and load64(word) == seen:
                return swp_tb_to_pfn(seen)
            folio_put(cpu, swp_tb_to_pfn(seen))
        tries += 1
        if tries > (LOOKUPS_COOPERATIVE if cpu.cooperative else LOOKUPS_REAL):
            warn(cpu, WARN_TABLE_STUCK, entry, swp_tb_to_pfn(seen), seen)
            return 0
        if cpu.cooperative:  # who froze the folio holds the lock of its word: only that one can end the loop
            swap_cache_lock(cpu, entry)
            swap_cache_unlock(cpu, entry)
        else:
            cpu.busy(20)


cdef bint folio_matches_swap_entry(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Whether the folio is in the swap cache for that very slot. Context: folio locked."""
    return folio_test(folio_of(cpu, pfn), PG_SWAPCACHE) and (
        load64(&folio_of(cpu, pfn).swap) == entry & ~<uint64_t>(folio_pages(cpu, pfn) - 1))


cdef bint may_enter(Cpu cpu, folio_t *folio, swp_entry_t entry) noexcept nogil:
    """Whether the slot is for this folio: what is read must be somebody's, what is written nobody's.

    A folio that is not uptodate though its read has ended may be written too. Context: as folio_enters_cache.
    """
    if slot_has_references(&cpu.m, slot_of(cpu, entry)):
        return not folio_test(folio, PG_UPTODATE)
    return folio_test(folio, PG_UPTODATE) or entry - cpu.my.claimed_entry < cpu.my.claimed_nr or is_reserved(cpu.my, entry) or (
        cpu.m.control.inject_ppm[INJECT_DEVICE_ERROR] != 0)


cdef bint copy_is_good(Cpu cpu, folio_t *folio, uint32_t page, swp_entry_t entry) noexcept nogil:
    """Whether whoever reads the slot after the folio has gone finds what its page holds. Context: folio locked."""
    cdef uint32_t block = load32(&cpu.m.handles[slot_of(cpu, entry)])
    cdef uint32_t index = slot_in_zswap(&cpu.m, slot_of(cpu, entry))
    cdef char *copy
    if load32(&folio.mapping) != 0 and load32(&folio.mapping) != MAPPING_NONE:
        return True  # a file's page cache has it, or it was truncated: nobody reads the slot
    if folio_test(folio, PG_DIRTY | PG_WRITEBACK):  # dirty, of a file, and truncated: nobody reads the slot again
        return load32(&folio.mapping) == MAPPING_NONE and not folio_test(folio, PG_WRITEBACK)
    if not folio_test(folio, PG_UPTODATE):
        return True
    if slot_is_zero(&cpu.m, slot_of(cpu, entry)):
        return content_is_zero(payload_of(&cpu.m, page), cpu.m.geo.payload_bytes)
    if block == 0 and index == 0:
        return False
    copy = zswap_page_of(&cpu.m, index) if index else block_of(&cpu.m, swp_type(entry), block)
    return content_stamp(copy) == content_stamp(payload_of(&cpu.m, page)) and (
        content_identity(copy) == content_identity(payload_of(&cpu.m, page)))


cdef void folio_enters_cache(Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *word) noexcept nogil:
    """The words of its slots, from `entry` on, name the folio, the folio the first slot, and the cache holds a reference a page.

    Context: folio locked; the lock that guards the words held.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef uint32_t i, nr = folio_pages(cpu, pfn)
    if load32(&folio.lock_owner) != cpu.id + 1:
        warn(cpu, WARN_CACHE_UNLOCKED, entry, pfn, load32(&folio.lock_owner))
    for i in range(nr):
        if swp_tb_is_folio(load64(&word[i])):
            warn(cpu, WARN_ADD_CACHED, entry + i, pfn, load64(&word[i]))
        if not may_enter(cpu, folio, entry + i):
            warn(cpu, WARN_ADD_WRONG, entry + i, pfn, load32(&folio.flags))
    add_i32(&folio.refcount, <int32_t>nr)
    folio_set(folio, PG_SWAPCACHE)
    store64(&folio.swap, entry)
    note_slot_of_folio(cpu, pfn, entry)
    for i in range(nr):
        point(cpu, &word[i], WRITES)
        swap_table_set(word, i, pfn_to_swp_tb(pfn, swp_tb_count_bits(load64(&word[i]))))
    mod_swapcache_stat(cpu, pfn, nr)
    trace(cpu, TRACE_ADD_FOLIO, entry, pfn, 0)


cdef void folio_leaves_cache(Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *word, uint64_t shadow) noexcept nogil:
    """The words keep the shadow (0: nothing). The cache's references stay for the caller to drop.

    Context: folio locked; the lock that guards the words held.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef uint32_t i, nr = folio_pages(cpu, pfn)
    cdef bint referenced = False
    if load32(&folio.lock_owner) != cpu.id + 1:
        warn(cpu, WARN_CACHE_UNLOCKED, entry, pfn, load32(&folio.lock_owner))
    for i in range(nr):
        if word == NULL or not swp_tb_is_folio(load64(&word[i])) or swp_tb_to_pfn(load64(&word[i])) != pfn:
            warn(cpu, WARN_DEL_FOREIGN, entry + i, pfn, 0 if word == NULL else load64(&word[i]))
        if slot_has_references(&cpu.m, slot_of(cpu, entry + i)):
            referenced = True
            if not copy_is_good(cpu, folio, pfn + i, entry + i):
                warn(cpu, WARN_DEL_ONLY_COPY, entry + i, pfn, load32(&folio.flags))
    if load32(&folio.flags) & (PG_DIRTY | PG_UPTODATE) == PG_UPTODATE and load_i32(&folio.refcount) > 0 and not referenced:
        cpu.my.dropped_clean = pfn
    cpu.my.deletions += 1
    for i in range(nr if word != NULL else 0):
        point(cpu, &word[i], WRITES)
        swap_table_set(word, i, shadow_to_swp_tb(shadow, swp_tb_count_bits(load64(&word[i]))))
    store64(&folio.swap, 0)
    folio_clear(folio, PG_SWAPCACHE)
    mod_swapcache_stat(cpu, pfn, -<int64_t>nr)
    trace(cpu, TRACE_DEL_FOLIO, entry, pfn, 0)


cdef bint swap_entry_swapped(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Whether somebody refers to the slot, so that reading it makes sense. Context: takes the cluster lock."""
    cdef bint referenced
    swap_cluster_lock(cpu, entry)
    referenced = swap_entry_referenced(cpu, entry)
    swap_cluster_unlock(cpu, entry)
    return referenced


cdef swp_entry_t cached_entry(Cpu cpu, uint32_t pfn, uint32_t page) noexcept nogil:
    """The slot of the folio's page of that number; 0 when it is not in the cache. Context: folio locked."""
    return load64(&folio_of(cpu, pfn).swap) + page if folio_test(folio_of(cpu, pfn), PG_SWAPCACHE) else 0


cdef bint folio_swapped(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether somebody refers to one of the folio's slots. Context: folio locked, in the cache; takes the cluster lock."""
    cdef swp_entry_t entry = folio_of(cpu, pfn).swap
    cdef bint referenced = False
    cdef uint32_t i
    swap_cluster_lock(cpu, entry)
    for i in range(folio_pages(cpu, pfn)):
        referenced = referenced or swap_entry_referenced(cpu, entry + i)
    swap_cluster_unlock(cpu, entry)
    return referenced


cdef bint mem_cgroup_swap_full(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether cache of swapped-in folios is worth dropping: over half of swap, or of what its memcg or one
    above it may use (v2), is used.

    Context: folio locked; a guess.
    """
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg)
    cdef page_counter *swap
    if vm_swap_full(cpu):
        return True
    while memcg and cpu.m.control.memcg_version == 2:
        swap = counter_of(cpu, memcg, COUNTER_SWAP)
        point(cpu, &swap.usage, READS)
        if load_i64(&swap.usage) * 2 >= load_i64(&swap.max):
            return True
        memcg = parent_mem_cgroup(cpu, memcg)
    return False
