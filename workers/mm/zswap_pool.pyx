"""Where entries come from, where they go, and in which order the shrinker meets them.

An entry belongs to who has taken it out of the tree, or not yet put it in. The shrinker finds it on its list without
either, and copies what it needs: an entry may be gone, and its index another slot's, as soon as the list's lock is dropped.
"""
from libc.stdint cimport int64_t, uint32_t

from shm.atomic cimport add_i64, load32, load_i64, store32
from shm.memcg cimport lru_t
from shm.vmstat cimport EV_ZSWAP_LIMIT_HIT
from shm.zswap cimport zswap_entry, zswap_pool
from workers.cpu cimport WRITES, Cpu, count, point
from workers.mm.page_alloc cimport stack_pop, stack_push


cdef bint check_limits(Cpu cpu, zswap_pool *pool) noexcept nogil:
    """Whether the pool takes no page: it is full, or was and has not come down to accept_pages. Context: none, a look."""
    cdef int64_t stored = load_i64(&pool.stored_pages)
    if stored >= <int64_t>cpu.m.geo.zswap_pages:
        count(cpu, EV_ZSWAP_LIMIT_HIT)
        store32(&pool.reached_full, 1)
    elif load32(&pool.reached_full) and stored <= pool.accept_pages:
        store32(&pool.reached_full, 0)
    return load32(&pool.reached_full) != 0


cdef uint32_t zswap_entry_alloc(Cpu cpu, uint32_t memcg) noexcept nogil:
    """An entry in no tree and on no list, for a page of that memcg; 0: the pool takes none. Context: no lock needed."""
    cdef zswap_pool *pool = cpu.m.zswap
    cdef uint32_t index
    point(cpu, &pool.stored_pages, WRITES)
    if check_limits(cpu, pool):
        return 0
    index = stack_pop(cpu, &pool.free_entries, cpu.m.zswap_next)
    if index:
        add_i64(&pool.stored_pages, 1)
        cpu.m.zswap_entries[index].memcg = memcg
        cpu.m.zswap_entries[index].swpentry = 0
    return index


cdef void link(Cpu cpu, lru_t *lru, uint32_t index) noexcept nogil:
    """As the youngest. Context: the list's lock held."""
    cdef zswap_entry *e = &cpu.m.zswap_entries[index]
    e.lru_prev = 0
    e.lru_next = lru.head
    if lru.head:
        cpu.m.zswap_entries[lru.head].lru_prev = index
    else:
        lru.tail = index
    lru.head = index
    store32(&lru.nr, lru.nr + 1)


cdef void unlink(Cpu cpu, lru_t *lru, uint32_t index) noexcept nogil:
    """Context: the list's lock held."""
    cdef zswap_entry *e = &cpu.m.zswap_entries[index]
    if e.lru_prev:
        cpu.m.zswap_entries[e.lru_prev].lru_next = e.lru_next
    else:
        lru.head = e.lru_next
    if e.lru_next:
        cpu.m.zswap_entries[e.lru_next].lru_prev = e.lru_prev
    else:
        lru.tail = e.lru_prev
    store32(&lru.nr, lru.nr - 1)


cdef void zswap_lru_add(Cpu cpu, uint32_t index, swp_entry_t entry) noexcept nogil:
    """The entry is that slot's, and may be written back from here. Context: the slot's folio locked; takes the list's lock."""
    cdef zswap_entry *e = &cpu.m.zswap_entries[index]
    cpu.lock(&cpu.m.zswap_lrus[e.memcg].lock)
    e.swpentry = entry
    e.referenced = 1
    link(cpu, &cpu.m.zswap_lrus[e.memcg].list, index)
    cpu.unlock(&cpu.m.zswap_lrus[e.memcg].lock)


cdef uint32_t zswap_lru_count(Cpu cpu, uint32_t memcg) noexcept nogil:
    """Entries on the list of a memcg. Context: no lock held; takes the list's lock."""
    cdef uint32_t nr
    cpu.lock(&cpu.m.zswap_lrus[memcg].lock)
    nr = cpu.m.zswap_lrus[memcg].list.nr
    cpu.unlock(&cpu.m.zswap_lrus[memcg].lock)
    return nr


cdef uint32_t zswap_lru_walk(Cpu cpu, uint32_t memcg, swp_entry_t *entry) noexcept nogil:
    """Look at the oldest entry of a memcg, which becomes the youngest; it may be gone when this returns.

    Its index and its slot, for whoever verifies both; 0 with no slot: the list is empty; 0 with one: it gets a second chance.
    Context: no lock held; takes the list's lock.
    """
    cdef lru_t *lru = &cpu.m.zswap_lrus[memcg].list
    cdef uint32_t index, referenced = 0
    cpu.lock(&cpu.m.zswap_lrus[memcg].lock)
    index = lru.tail
    entry[0] = 0
    if index:
        entry[0] = cpu.m.zswap_entries[index].swpentry
        referenced = cpu.m.zswap_entries[index].referenced
        cpu.m.zswap_entries[index].referenced = 0
        unlink(cpu, lru, index)
        link(cpu, lru, index)
    cpu.unlock(&cpu.m.zswap_lrus[memcg].lock)
    return 0 if referenced else index


cdef void zswap_entry_free(Cpu cpu, uint32_t index) noexcept nogil:
    """Off its list and back to the pool. Context: the entry is ours, out of the tree; takes the list's lock."""
    cdef zswap_entry *e = &cpu.m.zswap_entries[index]
    if e.swpentry:
        cpu.lock(&cpu.m.zswap_lrus[e.memcg].lock)
        unlink(cpu, &cpu.m.zswap_lrus[e.memcg].list, index)
        e.swpentry = 0
        cpu.unlock(&cpu.m.zswap_lrus[e.memcg].lock)
    point(cpu, &cpu.m.zswap.stored_pages, WRITES)  # and the stack: which entry is taken next
    stack_push(cpu, &cpu.m.zswap.free_entries, cpu.m.zswap_next, index)
    add_i64(&cpu.m.zswap.stored_pages, -1)


cdef void zswap_invalidate(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The slot keeps no page in zswap any more. Context: as zswap_tree_store; takes the list's lock."""
    cdef uint32_t index
    if cpu.m.geo.zswap_pages == 0:
        return
    index = zswap_tree_store(cpu, entry, 0)
    if index:
        zswap_entry_free(cpu, index)
