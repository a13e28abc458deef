"""Entries of zswap: taken and given back, in the tree of their slots, on the list of their memcg (kernel: mm/zswap.c)."""
from libc.stdint cimport uint32_t
from shm.atomic cimport load32, xchg32
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport READS, WRITES, Cpu, point
from workers.mm.memcontrol cimport slot_of

cdef uint32_t zswap_entry_alloc(Cpu cpu, uint32_t memcg) noexcept nogil
cdef void zswap_entry_free(Cpu cpu, uint32_t index) noexcept nogil
cdef void zswap_lru_add(Cpu cpu, uint32_t index, swp_entry_t entry) noexcept nogil
cdef uint32_t zswap_lru_count(Cpu cpu, uint32_t memcg) noexcept nogil
cdef uint32_t zswap_lru_walk(Cpu cpu, uint32_t memcg, swp_entry_t *entry) noexcept nogil
cdef void zswap_invalidate(Cpu cpu, swp_entry_t entry) noexcept nogil

cdef inline uint32_t zswap_tree_load(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The entry that is kept for the slot, 0: none (kernel: xa_load). Context: none to look; the slot pinned to use it."""
    point(cpu, &cpu.m.zswap_tree[slot_of(cpu, entry)], READS)
    return load32(&cpu.m.zswap_tree[slot_of(cpu, entry)])

cdef inline uint32_t zswap_tree_store(Cpu cpu, swp_entry_t entry, uint32_t index) noexcept nogil:
    """Keep that entry for the slot, 0: none; the one before (kernel: xa_store, xa_erase).

    Context: the slot's folio locked and in the swap cache, or (0) cluster lock held and the slot about to be free.
    """
    point(cpu, &cpu.m.zswap_tree[slot_of(cpu, entry)], WRITES)
    return xchg32(&cpu.m.zswap_tree[slot_of(cpu, entry)], index)
