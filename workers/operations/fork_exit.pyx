"""An address space begins, is copied, loses pages, ends. Its last user tears it down, as in the kernel."""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from shm.atomic cimport add_i32, cas32, load64, store32, store64, store_i32
from shm.folio cimport PG_ANON_EXCLUSIVE
from shm.layout cimport expected_of, ptl_of, unmapped_of
from shm.mm cimport (
    MM_EXITING, MM_FORKING, MM_LIVE, MM_UNUSED, MM_WORDS, MMLIST_NONE, PTES_PER_PTL, PTE_SWP_EXCLUSIVE, PTE_WRITE, anon_vma_t,
    is_migration_pte, is_poisoned_pte, is_swap_pte, mm_struct, pte_pfn, pte_present, pte_to_swp_entry,
)
from shm.vmstat cimport EV_EXITS, EV_FORKS, LAT_EXIT, LAT_FORK
from workers.cpu cimport WRITES, Cpu, count, point, record
from workers.mm.errno cimport EAGAIN, ENODEV, ENOMEM
from workers.mm.filemap cimport mmap_write_lock, mmap_write_unlock
from workers.mm.memcontrol cimport css_join, css_leave
from workers.mm.page_alloc cimport folio_clear, folio_get, folio_of, folio_put, page_folio
from workers.mm.rmap cimport (
    declare_mm_user, folio_add_anon_rmap, folio_remove_rmap, mmlist_add, pte_lock, pte_of, ptep_get, ptes_unlock, set_pte,
)
from workers.mm.swapfile cimport swap_dup_entry
from workers.mm.protocol cimport Protocol


cdef void join_anon_vma(Cpu cpu, uint32_t mm, uint32_t anon_vma, bint member) noexcept nogil:
    """Enter an mm among those that may map the anon_vma's pages, or take it out. Context: takes anon_vma lock."""
    cdef anon_vma_t *av = &cpu.m.anon_vmas[anon_vma]
    cpu.lock(&av.lock)
    if member:
        av.members[mm >> 6] |= <uint64_t>1 << (mm & 63)
    else:
        av.members[mm >> 6] &= ~(<uint64_t>1 << (mm & 63))
    cpu.unlock(&av.lock)


cdef bint claim_mm(Cpu cpu, uint32_t mm, uint32_t from_state, uint32_t to_state) noexcept nogil:
    """Context: no lock; the state word decides who makes or ends an mm."""
    point(cpu, &cpu.m.mms[mm].state, WRITES)
    return cas32(&cpu.m.mms[mm].state, from_state, to_state)


cdef bint own_anon_vma(Cpu cpu, uint32_t mm, uint32_t anon_vma) noexcept nogil:
    """Be the first member of an anon_vma that has none. Context: takes anon_vma lock."""
    cdef anon_vma_t *av = &cpu.m.anon_vmas[anon_vma]
    cdef uint64_t members = 0
    cdef int word
    cpu.lock(&av.lock)
    for word in range(MM_WORDS):
        members |= av.members[word]
    if members == 0:
        av.members[mm >> 6] |= <uint64_t>1 << (mm & 63)
    cpu.unlock(&av.lock)
    return members == 0


cdef int mm_init(Cpu cpu, uint32_t mm, uint32_t memcg) noexcept nogil:
    """An empty address space with an anon_vma of its own. 0, -EAGAIN: it is in use, -ENODEV: the memcg is gone.

    Context: no lock held; takes anon_vma locks. There are as many anon_vmas as mms, so one is free.
    """
    cdef mm_struct *s = &cpu.m.mms[mm]
    cdef uint32_t anon_vma = mm
    if not claim_mm(cpu, mm, MM_UNUSED, MM_FORKING):
        return EAGAIN
    if not css_join(cpu, memcg):
        store32(&s.state, MM_UNUSED)
        return ENODEV
    while not own_anon_vma(cpu, mm, anon_vma):
        anon_vma = (anon_vma + 1) % <uint32_t>cpu.m.geo.mms
    store32(&s.anon_vma, anon_vma)
    store32(&s.memcg, memcg)
    store_i32(&s.mm_users, 1)
    store32(&s.state, MM_LIVE)
    return 0


cdef int copy_pte(Cpu cpu, Protocol p, uint32_t parent, uint32_t child, uint32_t page) noexcept nogil:
    """One PTE of a fork. 0, -ENOENT, -ENOMEM (the count needs memory). Context: both page-table locks held."""
    cdef uint64_t *src = pte_of(cpu, parent, page)
    cdef uint64_t pte = load64(src)
    cdef int err
    if pte == 0:
        return 0
    if pte_present(pte):
        folio_get(cpu, page_folio(cpu, pte_pfn(pte)))
        folio_add_anon_rmap(cpu, pte_pfn(pte), False)
        folio_clear(folio_of(cpu, pte_pfn(pte)), PG_ANON_EXCLUSIVE)
        pte &= ~<uint64_t>PTE_WRITE
    elif is_swap_pte(pte):
        err = swap_dup_entry(cpu, p, pte_to_swp_entry(pte))
        if err < 0:
            return err
        mmlist_add(cpu, child)
        pte &= ~<uint64_t>PTE_SWP_EXCLUSIVE
    set_pte(cpu, parent, page, pte)
    set_pte(cpu, child, page, pte)
    expected_of(&cpu.m, child)[page] = expected_of(&cpu.m, parent)[page]
    return 0


cdef int copy_pte_range(Cpu cpu, Protocol p, uint32_t parent, uint32_t child, uint32_t *page, uint32_t end) noexcept nogil:
    """PTEs from `page` on, which stops where one could not be copied. Errors as copy_pte.

    Context: parent's mmap_lock held for writing; takes both page-table locks.
    """
    cdef uint32_t first = page[0]
    cdef int err = 0
    pte_lock(cpu, parent, first)
    cpu.lock_nested(ptl_of(&cpu.m, child, first))
    while page[0] < end and err == 0:
        err = copy_pte(cpu, p, parent, child, page[0])
        if err == 0:
            page[0] += 1
    ptes_unlock(cpu, child, first, page[0])
    ptes_unlock(cpu, parent, first, page[0])
    return err


cdef int copy_page_range(Cpu cpu, Protocol p, uint32_t parent, uint32_t child) noexcept nogil:
    """All PTEs, one page-table lock of each mm at a time; both are dropped to get memory for a count. 0 or -ENOMEM.

    Context: parent's mmap_lock held for writing: a swap PTE may become present meanwhile, never another entry's.
    """
    cdef uint32_t page = 0, pages = <uint32_t>cpu.m.geo.pages, end
    cdef uint64_t pte
    cdef int err = 0
    while page < pages and err == 0:
        end = (page // PTES_PER_PTL + 1) * PTES_PER_PTL
        err = copy_pte_range(cpu, p, parent, child, &page, end if end < pages else pages)
        if err == ENOMEM:
            pte = ptep_get(cpu, parent, page)
            err = p.swap_count_alloc(cpu, pte_to_swp_entry(pte)) if is_swap_pte(pte) else 0
    return err


cdef void copy_vmas(Cpu cpu, uint32_t parent, uint32_t child) noexcept nogil:
    """Context: parent's mmap_lock held for writing; nobody uses the child yet."""
    cpu.m.mms[child].unmapped = cpu.m.mms[parent].unmapped
    if cpu.m.mms[parent].unmapped:
        memcpy(unmapped_of(&cpu.m, child), unmapped_of(&cpu.m, parent), cpu.m.geo.pages)


cdef int fork_mm(Cpu cpu, Protocol p, uint32_t parent, uint32_t child) noexcept nogil:
    """`child` becomes a copy of `parent` that shares all pages and slots. 0, -EAGAIN (child in use), -ENOMEM.

    Context: mm_users of the parent held; takes its mmap_lock for writing: no fault of it runs meanwhile; sleeps.
    """
    cdef uint64_t since = cpu.now()
    cdef int err
    if not claim_mm(cpu, child, MM_UNUSED, MM_FORKING):
        return EAGAIN
    mmap_write_lock(cpu, parent)
    store32(&cpu.m.mms[child].anon_vma, cpu.m.mms[parent].anon_vma)
    store32(&cpu.m.mms[child].memcg, cpu.m.mms[parent].memcg)
    css_join(cpu, cpu.m.mms[parent].memcg)  # which the parent keeps online while its mmap_lock is held
    join_anon_vma(cpu, child, cpu.m.mms[parent].anon_vma, True)
    p.mmlist_fork(cpu, parent, child)
    copy_vmas(cpu, parent, child)
    err = copy_page_range(cpu, p, parent, child)
    mmap_write_unlock(cpu, parent)
    point(cpu, &cpu.m.mms[child].state, WRITES)
    store_i32(&cpu.m.mms[child].mm_users, 1)  # only now may others use it: a fault would race with the copy
    store32(&cpu.m.mms[child].state, MM_LIVE)
    if err < 0:
        exit_mm(cpu, p, child)
        return err
    count(cpu, EV_FORKS)
    record(cpu, LAT_FORK, since)
    return 0


cdef void zap_pte(Cpu cpu, Protocol p, uint32_t mm, uint32_t page) noexcept nogil:
    """Context: page-table lock held; takes cluster lock, lruvec lock."""
    cdef uint64_t *ptep = pte_of(cpu, mm, page)
    cdef uint64_t pte = load64(ptep)
    cdef uint32_t pfn
    if pte_present(pte):
        pfn = page_folio(cpu, pte_pfn(pte))
        set_pte(cpu, mm, page, 0)
        folio_remove_rmap(cpu, pte_pfn(pte))
        folio_put(cpu, pfn)
    elif is_migration_pte(pte) or is_poisoned_pte(pte):  # who splits the folio has its reference, and place among the mappings
        set_pte(cpu, mm, page, 0)
    elif is_swap_pte(pte):
        p.free_swap_and_cache(cpu, pte_to_swp_entry(pte))  # before the PTE is cleared, in the same section
        set_pte(cpu, mm, page, 0)
    expected_of(&cpu.m, mm)[page] = 0


cdef void zap_range(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """Drop pages [first, end): memory and slots go back. Context: mm_users held; takes page-table locks."""
    cdef uint32_t page, stop
    while first < end:
        stop = (first // PTES_PER_PTL + 1) * PTES_PER_PTL
        if stop > end:
            stop = end
        pte_lock(cpu, mm, first)
        for page in range(first, stop):
            zap_pte(cpu, p, mm, page)
        ptes_unlock(cpu, mm, first, stop)
        first = stop


cdef void mmput(Cpu cpu, Protocol p, uint32_t mm) noexcept nogil:
    """Give a user back; the last one tears the address space down (kernel: exit_mmap). Context: no lock held; sleeps."""
    cdef mm_struct *s = &cpu.m.mms[mm]
    declare_mm_user(cpu, mm)
    if add_i32(&s.mm_users, -1) != 0:
        return
    zap_range(cpu, p, mm, 0, <uint32_t>cpu.m.geo.pages)
    join_anon_vma(cpu, mm, s.anon_vma, False)
    cpu.lock(cpu.m.mmlist_lock)
    store32(&s.on_mmlist, MMLIST_NONE)
    cpu.unlock(cpu.m.mmlist_lock)
    store64(&s.swap_readahead_info, 0)
    if s.unmapped:
        s.unmapped = 0
        memset(unmapped_of(&cpu.m, mm), 0, cpu.m.geo.pages)
    css_leave(cpu, s.memcg)
    count(cpu, EV_EXITS)
    point(cpu, &s.state, WRITES)
    store32(&s.state, MM_UNUSED)


cdef int exit_mm(Cpu cpu, Protocol p, uint32_t mm) noexcept nogil:
    """The process ends. 0, or -EAGAIN when it is not alive or ends already. Context: no lock held; sleeps."""
    cdef uint64_t since = cpu.now()
    if not claim_mm(cpu, mm, MM_LIVE, MM_EXITING):
        return EAGAIN
    mmput(cpu, p, mm)
    record(cpu, LAT_EXIT, since)
    return 0
