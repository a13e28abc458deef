"""Up and down by one, with the carry.

swap_map: the low count goes to 62; what is more stands in digits of 7 bits, one a continuation page of the slot's page of
the map. A continuation page serves 4096 slots, hence several clusters: cont_lock beside the cluster lock guards it. It
stays until swapoff.

Table word: 1 to 14; 15 marks that the whole count stands in the cluster's extend table, which goes when all of it is 0.
"""
from libc.stdint cimport uint32_t, uint64_t, uint8_t

from shm.atomic cimport load32, load64, load8, store32, store64, store8
from shm.cluster cimport swap_cluster_info
from shm.inject cimport INJECT_COUNT_ALLOC
from shm.layout cimport cont_page_of, ext_table_of
from shm.swap_map cimport COUNT_CONTINUED, MAP_PAGE_SLOTS, SWAP_CONT_MAX, SWAP_HAS_CACHE, SWAP_MAP_BAD, SWAP_MAP_MAX, SWAP_MAP_SHMEM
from shm.swap_table cimport (
    SWP_TB_COUNT_MAX, SWP_TB_NULL, swap_table_set, swp_tb_bad, swp_tb_is_folio, swp_tb_to_count, swp_tb_with_count,
)
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from shm.vmstat cimport WARN_COUNT_UNDERFLOW
from workers.cpu cimport READS, WRITES, Cpu, injected, point, warn
from workers.mm.errno cimport ENOENT, ENOMEM
from workers.mm.memcontrol cimport slot_of
from workers.mm.page_alloc cimport stack_pop, stack_push
from workers.mm.protocol cimport Protocol
from workers.mm.swapfile cimport cluster_offset, swap_cluster_lock, swap_cluster_unlock, swap_word


cdef inline uint32_t *cont_head_of(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The first continuation page of the slot's page of the map. Context: cont_lock held to follow it."""
    return &cpu.m.cont_heads[swp_type(entry) * cpu.m.map_pages_per_device + swp_offset(entry) // MAP_PAGE_SLOTS]


cdef inline uint8_t *digit_of(Cpu cpu, uint32_t page, swp_entry_t entry) noexcept nogil:
    """Context: cluster lock and cont_lock held."""
    return &cont_page_of(&cpu.m, page)[swp_offset(entry) % cpu.m.cont_page_slots]


cdef bint carry_up(Cpu cpu, swp_entry_t entry, bint continued) noexcept nogil:
    """Add one to the digits, which mean nothing yet unless `continued`. False when that takes a page that is not there.

    Context: cluster lock and cont_lock held.
    """
    cdef uint32_t page, at
    cdef uint8_t digit
    point(cpu, cont_head_of(cpu, entry), READS)
    page = cont_head_of(cpu, entry)[0]
    while page:
        digit = load8(digit_of(cpu, page, entry)) if continued else 0
        if digit & SWAP_CONT_MAX < SWAP_CONT_MAX:
            break
        continued = (digit & COUNT_CONTINUED) != 0
        page = cpu.m.cont_next[page]
    if page == 0:
        return False
    store8(digit_of(cpu, page, entry), digit + 1)
    at = cont_head_of(cpu, entry)[0]
    while at != page:
        store8(digit_of(cpu, at, entry), COUNT_CONTINUED)
        at = cpu.m.cont_next[at]
    return True


cdef bint borrow(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Take one from the digits, which are not all 0. True while something is left in them.

    Context: cluster lock and cont_lock held.
    """
    cdef uint32_t head = cont_head_of(cpu, entry)[0], page = head, at
    cdef uint8_t digit
    while load8(digit_of(cpu, page, entry)) & SWAP_CONT_MAX == 0:
        page = cpu.m.cont_next[page]
    digit = load8(digit_of(cpu, page, entry)) - 1
    store8(digit_of(cpu, page, entry), digit)
    at = head
    while at != page:
        store8(digit_of(cpu, at, entry),
               SWAP_CONT_MAX | (COUNT_CONTINUED if cpu.m.cont_next[at] != page or digit != 0 else 0))
        at = cpu.m.cont_next[at]
    return page != head or digit != 0


cdef int map_count_up(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil:
    """One more. 0, -ENOENT (free or bad), -ENOMEM (no continuation page to carry to). Context: cluster lock held."""
    return map_count_up_cached(cpu, p, entry, False)


cdef int map_count_up_cached(Cpu cpu, Protocol p, swp_entry_t entry, bint cached) noexcept nogil:
    """map_count_up where the byte alone does not say that a slot is used: `cached` does. Context: cluster lock held."""
    cdef uint8_t *byte = &cpu.m.swap_map[slot_of(cpu, entry)]
    cdef uint8_t seen = load8(byte)
    cdef bint carried
    if (seen == 0 and not cached) or seen == SWAP_MAP_BAD:
        return ENOENT
    if seen & SWAP_MAP_BAD < SWAP_MAP_MAX:
        point(cpu, byte, WRITES)
        store8(byte, seen + 1)
        return 0
    if cpu.m.geo.cont_pages == 0:
        return ENOMEM
    p.cont_lock(cpu, entry)
    carried = carry_up(cpu, entry, (seen & COUNT_CONTINUED) != 0)
    p.cont_unlock(cpu, entry)
    if not carried:
        return ENOMEM
    point(cpu, byte, WRITES)
    store8(byte, (seen & SWAP_HAS_CACHE) | COUNT_CONTINUED)
    return 0


cdef bint map_count_down(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil:
    """One less. True when that was the last. Context: cluster lock held."""
    cdef uint8_t *byte = &cpu.m.swap_map[slot_of(cpu, entry)]
    cdef uint8_t seen = load8(byte)
    cdef bint more
    if seen & ~SWAP_HAS_CACHE == SWAP_MAP_SHMEM:
        point(cpu, byte, WRITES)
        store8(byte, seen & SWAP_HAS_CACHE)
        return True
    if seen == SWAP_MAP_BAD or seen & ~SWAP_HAS_CACHE == 0:
        warn(cpu, WARN_COUNT_UNDERFLOW, entry, seen, 1)
        return False
    if seen & SWAP_MAP_BAD:
        point(cpu, byte, WRITES)
        store8(byte, seen - 1)
        return (seen - 1) & ~SWAP_HAS_CACHE == 0
    p.cont_lock(cpu, entry)
    more = borrow(cpu, entry)
    p.cont_unlock(cpu, entry)
    point(cpu, byte, WRITES)
    store8(byte, (seen & SWAP_HAS_CACHE) | SWAP_MAP_MAX | (COUNT_CONTINUED if more else 0))
    return False


cdef int add_swap_count_continuation(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil:
    """Hang one more page on the slot's list, unless the count has room meanwhile. 0 or -ENOMEM.

    Context: a reference pins the slot; takes cluster lock, under it cont_lock.
    """
    cdef uint32_t page = 0, i
    cdef uint32_t *link
    cdef bint full
    if not injected(cpu, INJECT_COUNT_ALLOC):
        page = stack_pop(cpu, cpu.m.cont_head, cpu.m.cont_next)
    if page == 0:
        return ENOMEM
    for i in range(<uint32_t>cpu.m.cont_page_slots):
        cont_page_of(&cpu.m, page)[i] = 0
    swap_cluster_lock(cpu, entry)
    p.cont_lock(cpu, entry)
    full = load8(&cpu.m.swap_map[slot_of(cpu, entry)]) & SWAP_MAP_BAD == SWAP_MAP_MAX
    link = cont_head_of(cpu, entry)
    point(cpu, link, READS)
    while full and link[0]:
        full = load8(&cpu.m.swap_map[slot_of(cpu, entry)]) & COUNT_CONTINUED != 0 and (
            load8(digit_of(cpu, link[0], entry)) & SWAP_CONT_MAX == SWAP_CONT_MAX)
        link = &cpu.m.cont_next[link[0]]
    if full:
        point(cpu, link, WRITES)
        cpu.m.cont_next[page] = 0
        store32(link, page)
    p.cont_unlock(cpu, entry)
    swap_cluster_unlock(cpu, entry)
    if not full:
        stack_push(cpu, cpu.m.cont_head, cpu.m.cont_next, page)
    return 0


cdef void free_swap_count_continuations(Cpu cpu, uint32_t device) noexcept nogil:
    """Give all continuation pages of a device back. Context: the device is off and nobody can use it."""
    cdef uint64_t i
    cdef uint32_t page, after
    if cpu.m.geo.cont_pages == 0:
        return
    for i in range(cpu.m.map_pages_per_device):
        page = cpu.m.cont_heads[device * cpu.m.map_pages_per_device + i]
        cpu.m.cont_heads[device * cpu.m.map_pages_per_device + i] = 0
        while page:
            after = cpu.m.cont_next[page]
            stack_push(cpu, cpu.m.cont_head, cpu.m.cont_next, page)
            page = after


cdef int table_count_up(Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
    """One more. 0, -ENOENT (free or bad), -ENOMEM (15 and no extend table). Context: cluster lock held."""
    cdef uint64_t *word = swap_word(cpu, entry)
    cdef uint32_t count
    if word == NULL or load64(word) == SWP_TB_NULL or load64(word) == swp_tb_bad():
        return ENOENT
    count = swp_tb_to_count(load64(word))
    if count < SWP_TB_COUNT_MAX - 1:
        point(cpu, word, WRITES)
        swap_table_set(word, 0, swp_tb_with_count(load64(word), count + 1))
        return 0
    if ci.ext == 0:
        return ENOMEM
    if count < SWP_TB_COUNT_MAX:
        ext_table_of(&cpu.m, ci.ext)[cluster_offset(cpu, entry)] = SWP_TB_COUNT_MAX
        point(cpu, word, WRITES)
        swap_table_set(word, 0, swp_tb_with_count(load64(word), SWP_TB_COUNT_MAX))
    else:
        ext_table_of(&cpu.m, ci.ext)[cluster_offset(cpu, entry)] += 1
    return 0


cdef void try_free_extend_table(Cpu cpu, swap_cluster_info *ci) noexcept nogil:
    """Give the extend table back when no count of the cluster needs it. Context: cluster lock held."""
    cdef uint32_t i, ext = ci.ext
    for i in range(<uint32_t>cpu.m.geo.cluster_slots):
        if ext_table_of(&cpu.m, ext)[i]:
            return
    store32(&ci.ext, 0)
    stack_push(cpu, cpu.m.ext_head, cpu.m.ext_next, ext)


cdef bint table_count_down(Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
    """One less. True when that was the last. Context: cluster lock held."""
    cdef uint64_t *word = swap_word(cpu, entry)
    cdef uint64_t seen = SWP_TB_NULL if word == NULL else load64(word)
    cdef uint32_t count = swp_tb_to_count(seen), off = cluster_offset(cpu, entry)
    cdef uint32_t *ext
    if count == 0:
        warn(cpu, WARN_COUNT_UNDERFLOW, entry, seen, 1)
        return False
    if count == SWP_TB_COUNT_MAX:
        ext = &ext_table_of(&cpu.m, ci.ext)[off]
        ext[0] -= 1
        if ext[0] >= SWP_TB_COUNT_MAX:
            return False
        ext[0] = 0
        try_free_extend_table(cpu, ci)
    point(cpu, word, WRITES)
    swap_table_set(word, 0, swp_tb_with_count(seen, count - 1))
    return count == 1


cdef int swap_extend_table_alloc(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """An extend table for the slot's cluster, unless it has one meanwhile. 0 or -ENOMEM.

    Context: a reference pins the slot; takes the cluster lock.
    """
    cdef uint32_t ext = 0, i
    cdef swap_cluster_info *ci
    if not injected(cpu, INJECT_COUNT_ALLOC):
        ext = stack_pop(cpu, cpu.m.ext_head, cpu.m.ext_next)
    if ext == 0:
        return ENOMEM
    for i in range(<uint32_t>cpu.m.geo.cluster_slots):
        ext_table_of(&cpu.m, ext)[i] = 0
    ci = swap_cluster_lock(cpu, entry)
    if ci.ext == 0 and ci.table != 0:
        store32(&ci.ext, ext)
        ext = 0
    swap_cluster_unlock(cpu, entry)
    if ext:
        stack_push(cpu, cpu.m.ext_head, cpu.m.ext_next, ext)
    return 0
