"""UFFDIO_MOVE: a page that nobody else has goes to another address of its mm, memory or swap entry, without a copy.

A page of a large folio moves once that is split. It may be swapped in or out, or its slot become somebody else's, until its folio and both page-table locks are held:
then all that was seen before is looked at again.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64, store32
from shm.folio cimport PG_ANON_EXCLUSIVE
from shm.layout cimport expected_of, ptl_of
from shm.mm cimport (
    PTES_PER_PTL, PTE_DIRTY, PTE_SWP_EXCLUSIVE, expect_moved, is_migration_pte, is_poisoned_pte, is_swap_pte, mk_pte, pte_pfn,
    pte_present, pte_to_swp_entry,
)
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_MOVES, EV_OPERATIONS, WAIT_FOLIO_LOCK
from workers.cpu cimport Cpu, count
from workers.mm.errno cimport EAGAIN, EBUSY, EEXIST, EFAULT, ENOENT
from workers.mm.filemap cimport folio_lock, folio_trylock, folio_unlock, mmap_read_lock, mmap_read_unlock
from workers.mm.huge_memory cimport lock_to_split, split_isolated
from workers.mm.memory cimport slot_in_cache
from workers.mm.page_alloc cimport folio_get, folio_of, folio_put, folio_test, folio_test_large, page_folio
from workers.mm.rmap cimport pte_lock, pte_of, pte_unlock, ptep_get, ptes_unlock, set_pte
from workers.mm.swap_state cimport swap_cache_get_folio
from workers.mm.vma cimport vma_lookup
from workers.mm.protocol cimport PIN_READ, Protocol

cdef enum:
    MOVE_SPLIT = 1  # the page's folio was a large one, and is none now


cdef struct move_t:
    uint32_t mm
    uint32_t src
    uint32_t dst
    uint64_t pte  # of src, as it was seen


cdef void double_pt_lock(Cpu cpu, move_t *move) noexcept nogil:
    """Context: mm_users held; takes the page-table locks of both pages, the lower one first."""
    cdef uint32_t low = min(move.src, move.dst), high = max(move.src, move.dst)
    pte_lock(cpu, move.mm, low)
    if high // PTES_PER_PTL != low // PTES_PER_PTL:
        cpu.lock_nested(ptl_of(&cpu.m, move.mm, high))


cdef void double_pt_unlock(Cpu cpu, move_t *move) noexcept nogil:
    """Context: both page-table locks held, given back."""
    cdef uint32_t low = min(move.src, move.dst), high = max(move.src, move.dst)
    if high // PTES_PER_PTL != low // PTES_PER_PTL:
        pte_unlock(cpu, move.mm, high)
        pte_unlock(cpu, move.mm, low)
    else:
        ptes_unlock(cpu, move.mm, low, high + 1)


cdef bint ptes_stable(Cpu cpu, move_t *move) noexcept nogil:
    """Whether the page is still where and what it was, and its new place free. Context: both page-table locks held."""
    return load64(pte_of(cpu, move.mm, move.src)) == move.pte and load64(pte_of(cpu, move.mm, move.dst)) == 0


cdef void exchange(Cpu cpu, move_t *move, uint32_t pfn, uint64_t pte) noexcept nogil:
    """The PTE, and with it the program's store. Context: both page-table locks held, the folio (if any) locked."""
    cdef uint64_t *expected = expected_of(&cpu.m, move.mm)
    if pfn:
        store32(&folio_of(cpu, pfn).anon_vma, cpu.m.mms[move.mm].anon_vma)
        store32(&folio_of(cpu, pfn).index, move.dst)
    set_pte(cpu, move.mm, move.src, 0)
    set_pte(cpu, move.mm, move.dst, pte)
    expected[move.dst] = expect_moved(expected[move.src])
    expected[move.src] = 0
    count(cpu, EV_MOVES)


cdef int move_present_pte(Cpu cpu, move_t *move, uint32_t pfn) noexcept nogil:
    """0, -EAGAIN, -EBUSY. Context: folio locked; takes anon_vma lock, under it both page-table locks."""
    cdef uint32_t anon_vma = folio_of(cpu, pfn).anon_vma
    cdef int result = 0
    cpu.lock(&cpu.m.anon_vmas[anon_vma].lock)  # a walk over the folio's PTEs goes by the index that changes
    double_pt_lock(cpu, move)
    if not ptes_stable(cpu, move):
        result = EAGAIN
    elif not folio_test(folio_of(cpu, pfn), PG_ANON_EXCLUSIVE):
        result = EBUSY
    else:
        exchange(cpu, move, pfn, mk_pte(pfn, True) | PTE_DIRTY)
    double_pt_unlock(cpu, move)
    cpu.unlock(&cpu.m.anon_vmas[anon_vma].lock)
    return result


cdef int split_src(Cpu cpu, Protocol p, move_t *move, uint32_t pfn) noexcept nogil:
    """Split the large folio of the page. MOVE_SPLIT, -EAGAIN, -EBUSY. Nobody waits for its lock: the reference of who waits
    would make splits fail. Context: page-table lock held, dropped here; folio lock by trylock; sleeps."""
    cdef bint locked = lock_to_split(cpu, pfn)
    cdef int err = EAGAIN
    pte_unlock(cpu, move.mm, move.src)
    if locked:
        err = split_isolated(cpu, p, pfn)
    return MOVE_SPLIT if err == 0 else err


cdef int move_present(Cpu cpu, Protocol p, move_t *move) noexcept nogil:
    """A page in memory. 0, MOVE_SPLIT, -EAGAIN, -EBUSY: another mm has it too. Context: mmap_lock held; sleeps."""
    cdef uint32_t pfn = pte_pfn(move.pte)
    cdef bint locked
    cdef int result
    pte_lock(cpu, move.mm, move.src)
    if load64(pte_of(cpu, move.mm, move.src)) != move.pte:
        pte_unlock(cpu, move.mm, move.src)
        return EAGAIN
    if not folio_test(folio_of(cpu, pfn), PG_ANON_EXCLUSIVE):
        pte_unlock(cpu, move.mm, move.src)
        return EBUSY
    if folio_test_large(cpu, page_folio(cpu, pfn)):
        return split_src(cpu, p, move, page_folio(cpu, pfn))
    locked = folio_trylock(cpu, pfn)
    folio_get(cpu, pfn)
    pte_unlock(cpu, move.mm, move.src)
    if not locked:
        folio_lock(cpu, pfn, WAIT_FOLIO_LOCK)
    result = move_present_pte(cpu, move, pfn)
    folio_unlock(cpu, pfn)
    folio_put(cpu, pfn)
    return result


cdef int move_swap_pte(Cpu cpu, move_t *move, swp_entry_t entry, uint32_t pfn) noexcept nogil:
    """0, -EAGAIN. `pfn` caches the slot, 0: nobody did. Context: the device is pinned; takes both page-table locks."""
    cdef int result = 0
    double_pt_lock(cpu, move)
    if not ptes_stable(cpu, move) or (pfn == 0 and slot_in_cache(cpu, entry)):
        result = EAGAIN
    else:
        exchange(cpu, move, pfn, move.pte)
    double_pt_unlock(cpu, move)
    return result


cdef int move_swapped(Cpu cpu, Protocol p, move_t *move) noexcept nogil:
    """A page that is swapped out. 0, -EAGAIN, -EBUSY: another mm has the entry too, or a large folio caches it.

    Context: mmap_lock held; sleeps.
    """
    cdef swp_entry_t entry = pte_to_swp_entry(move.pte)
    cdef uint32_t pfn
    cdef int result = EAGAIN
    cdef bint pinned
    if not move.pte & PTE_SWP_EXCLUSIVE:
        return EBUSY
    if not p.pin_device(cpu, entry, PIN_READ):
        return EAGAIN
    pinned = True
    pfn = swap_cache_get_folio(cpu, entry)
    if pfn and not folio_trylock(cpu, pfn):
        p.unpin_device(cpu, entry, PIN_READ)  # nobody sleeps for a folio that a swapoff waits for in turn
        folio_lock(cpu, pfn, WAIT_FOLIO_LOCK)
        pinned = p.pin_device(cpu, entry, PIN_READ)
    if pfn and folio_of(cpu, pfn).order:
        result = EBUSY
    elif pinned and (pfn == 0 or p.move_matches(cpu, pfn, entry)):
        result = move_swap_pte(cpu, move, entry, pfn)
    if pfn:
        folio_unlock(cpu, pfn)
        folio_put(cpu, pfn)
    if pinned:
        p.unpin_device(cpu, entry, PIN_READ)
    return result


cdef int userfaultfd_move(Cpu cpu, Protocol p, uint32_t mm, uint32_t src, uint32_t dst) noexcept nogil:
    """Move page `src` of an mm to `dst`. 0, -ENOENT: no page, or no VMA at one of the two, -EEXIST: there is one at
    `dst`, -EBUSY: another mm has it too, or a large folio caches it, -EFAULT: it is lost, -EAGAIN: it changed
    meanwhile, and the program asks again if it likes.

    Context: mm_users held, no lock; takes mmap_lock for reading, folio lock, page-table locks; sleeps.
    """
    cdef move_t move
    cdef int result = MOVE_SPLIT
    count(cpu, EV_OPERATIONS)
    move.mm = mm
    move.src = src
    move.dst = dst
    mmap_read_lock(cpu, mm)
    if not vma_lookup(cpu, mm, src) or not vma_lookup(cpu, mm, dst):
        result = ENOENT
    while result == MOVE_SPLIT:
        move.pte = ptep_get(cpu, mm, src)
        if ptep_get(cpu, mm, dst) != 0:
            result = EEXIST
        elif pte_present(move.pte):
            result = move_present(cpu, p, &move)
        elif is_migration_pte(move.pte):
            result = EAGAIN
        elif is_swap_pte(move.pte):
            result = move_swapped(cpu, p, &move)
        else:
            result = EFAULT if is_poisoned_pte(move.pte) else ENOENT
    mmap_read_unlock(cpu, mm)
    return result
