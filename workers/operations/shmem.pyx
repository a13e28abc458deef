"""read(2), write(2) and swapoff of files that live in memory and in swap.

Every page is charged to the memcg of the run. The latency of a swap-in runs from the look that found a swap entry to the
page in hand, whatever it took.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport load32, load64
from shm.folio cimport PG_DIRTY, PG_SWAPBACKED, PG_SWAPCACHE, PG_UPTODATE, folio_t
from shm.layout cimport payload_of, shmem_expected_of
from shm.shmem cimport (
    MAPPING_NONE, poisoned_word, radix_order, radix_to_swp_entry, radix_value, shmem_identity, swp_to_radix_entry,
    word_is_swap,
)
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.trace cimport TRACE_SWAP_IN
from shm.vmstat cimport (
    EV_OPERATIONS, EV_PGMAJFAULT, EV_SHMEM_ALLOC, EV_SHMEM_FALLBACK, EV_SHMEM_FALLBACK_CHARGE, EV_SWAP_INS, LAT_SWAP_IN,
    WAIT_DEVICE, WAIT_FOLIO_LOCK, WARN_STALE_LOAD,
)
from shm.zone cimport MAX_FOLIO_ORDER
from workers.cpu cimport count, record, trace, warn
from workers.mm.content cimport (
    STAMP_CPU_SHIFT, content_belongs, content_clear, content_intact, content_stamp, content_write,
)
from workers.mm.errno cimport EEXIST, EINVAL, EIO, ENOMEM
from workers.mm.filemap cimport folio_lock, folio_lock_new, folio_unlock, folio_wait_writeback
from workers.mm.memcontrol cimport mem_cgroup_charge
from workers.mm.memory cimport alloc_swap_folio, put_locked_folio
from workers.mm.page_alloc cimport (
    alloc_large_folio, folio_of, folio_pages, folio_put, folio_set, folio_test,
)
from workers.mm.protocol cimport PIN_FAULT, SWAPIN_OOM, SWAPIN_READAHEAD, SWAPIN_REFAULT, vm_fault
from workers.mm.shmem cimport (
    filemap_get_entry, mapping_word, range_holds, shmem_add_to_page_cache, shmem_must_visit,
    shmem_recalc_inode, shmem_split_large_entry, shmem_store,
)
from workers.mm.swap_state cimport swap_cache_get_folio
from workers.mm.vmscan_lists cimport lru_add
from workers.operations.readahead cimport readahead_hit, swap_cluster_readahead

cdef enum:
    SHMEM_MEMCG = 1  # who is charged: the memcg with the run's limits
    ASK_AGAIN_NS = 100  # between two attempts to get the same slot, which somebody else has


cdef int shmem_confirm_swap(Cpu cpu, uint32_t inode, uint32_t page, swp_entry_t entry) noexcept nogil:
    """The order of the entry when the page still lies in that slot, else -EEXIST. Context: a look; under the folio lock of the
    slot's folio it is so for good unless the page is truncated."""
    cdef uint64_t word = mapping_word(cpu, inode, page)
    return <int>radix_order(word) if radix_value(word) == swp_to_radix_entry(entry) else EEXIST


cdef int shmem_find_folio(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """The folio of the slot, from the swap cache, by the protocol's own way, or through readahead. 0, -EEXIST, -ENOMEM.

    Context: device pinned; may sleep.
    """
    cdef int how
    vmf.folio = swap_cache_get_folio(cpu, vmf.entry)
    if vmf.folio:
        readahead_hit(cpu, vmf.folio, vmf.entry)
        return 0
    how = p.shmem_swapin_folio(cpu, vmf)
    if how == SWAPIN_READAHEAD:
        vmf.folio = swap_cluster_readahead(cpu, p, vmf.entry, vmf.memcg, &vmf.fresh)
        how = 0 if vmf.folio else SWAPIN_OOM
    if vmf.fresh:
        count(cpu, EV_PGMAJFAULT)
    return EEXIST if how == SWAPIN_REFAULT else ENOMEM if how == SWAPIN_OOM else 0


cdef int shmem_set_folio_swapin_error(Cpu cpu, Protocol p, vm_fault *vmf, uint32_t inode, uint32_t page) noexcept nogil:
    """A slot could not be read: the folio's pages are lost, which the mapping remembers. -EIO, or -EEXIST: they are there no more.

    Context: folio locked; takes i_pages; sleeps.
    """
    cdef uint32_t nr = folio_pages(cpu, vmf.folio)
    cdef bint lost
    cpu.lock(&cpu.m.inodes[inode].i_pages)
    lost = range_holds(cpu, inode, page, nr, swp_to_radix_entry(vmf.entry))
    if lost:
        shmem_store(cpu, inode, page, nr, poisoned_word())
    cpu.unlock(&cpu.m.inodes[inode].i_pages)
    if not lost:
        return EEXIST
    folio_wait_writeback(cpu, vmf.folio, WAIT_FOLIO_LOCK)
    shmem_recalc_inode(cpu, inode, -<int32_t>nr)
    p.shmem_put_swap(cpu, vmf, False)
    return EIO


cdef int shmem_install(Cpu cpu, Protocol p, vm_fault *vmf, uint32_t inode, uint32_t page) noexcept nogil:
    """Verify, and move the folio from swap to the page cache, all that it has of the file. 0, -EEXIST, -EIO.

    Context: folio locked; sleeps.
    """
    cdef folio_t *folio = folio_of(cpu, vmf.folio)
    cdef uint32_t nr = folio_pages(cpu, vmf.folio)
    cdef int order
    page &= ~(nr - 1)
    vmf.entry &= ~<uint64_t>(nr - 1)
    if load64(&folio.swap) != vmf.entry or not (vmf.bypass or folio_test(folio, PG_SWAPCACHE)):
        return EEXIST
    order = shmem_confirm_swap(cpu, inode, page, vmf.entry)
    if order < 0 or not p.shmem_order_fits(cpu, vmf.folio, <uint32_t>order):
        return EEXIST
    if not folio_test(folio, PG_UPTODATE):
        return shmem_set_folio_swapin_error(cpu, p, vmf, inode, page)
    folio_wait_writeback(cpu, vmf.folio, WAIT_FOLIO_LOCK)
    if shmem_add_to_page_cache(cpu, vmf.folio, inode, page, swp_to_radix_entry(vmf.entry)) < 0:
        return EEXIST
    shmem_recalc_inode(cpu, inode, -<int32_t>nr)
    p.shmem_put_swap(cpu, vmf, True)
    return 0


cdef int shmem_swapin_folio(Cpu cpu, Protocol p, uint32_t inode, uint32_t page, swp_entry_t entry, uint32_t *pfn) noexcept nogil:
    """Bring a page back from its slot. 0 (`pfn`: locked, with a reference), -EEXIST (look again), -ENOMEM, -EIO, -EINVAL.

    Context: no lock held; pins the device; sleeps.
    """
    cdef vm_fault vmf
    cdef int order, err = 0
    vmf.mm = vmf.page = vmf.folio = 0
    vmf.memcg = SHMEM_MEMCG
    vmf.orig_pte = 0
    vmf.orders = 0
    vmf.entry = entry
    vmf.write = vmf.fresh = vmf.bypass = vmf.claimed = False
    if not p.pin_device(cpu, entry, PIN_FAULT):
        return EINVAL if shmem_confirm_swap(cpu, inode, page, entry) >= 0 else EEXIST
    order = shmem_confirm_swap(cpu, inode, page, entry)
    vmf.order = <uint32_t>order
    err = shmem_find_folio(cpu, p, &vmf) if order >= 0 else EEXIST
    if err == ENOMEM and shmem_confirm_swap(cpu, inode, page, entry) < 0:
        err = EEXIST
    if vmf.folio and vmf.order > folio_of(cpu, vmf.folio).order:
        err = shmem_split_large_entry(cpu, inode, page, entry)
    if vmf.folio and err == 0:
        folio_lock(cpu, vmf.folio, WAIT_DEVICE if vmf.fresh else WAIT_FOLIO_LOCK)
        err = shmem_install(cpu, p, &vmf, inode, page)
        if err < 0:
            folio_unlock(cpu, vmf.folio)
    p.shmem_swapin_done(cpu, &vmf)
    if vmf.folio and err < 0:
        folio_put(cpu, vmf.folio)
    p.unpin_device(cpu, entry, PIN_FAULT)
    pfn[0] = vmf.folio
    return err


cdef bint in_page_cache(Cpu cpu, uint32_t pfn, uint32_t inode, uint32_t page) noexcept nogil:
    """Whether the folio has that page still: neither truncated nor swapped out, nor split off. Context: folio locked."""
    return load32(&folio_of(cpu, pfn).mapping) == inode + 1 and (
        page - load32(&folio_of(cpu, pfn).index) < folio_pages(cpu, pfn))


cdef bint is_hole(Cpu cpu, uint32_t inode, uint32_t first, uint32_t nr) noexcept nogil:
    """Whether the pages are in the file, and all of them holes. Context: a look; exact under i_pages."""
    cdef uint32_t page
    for page in range(first, first + nr):
        if page >= cpu.m.geo.inode_pages or mapping_word(cpu, inode, page) != 0:
            return False
    return True


cdef uint32_t shmem_alloc_hugest_folio(Cpu cpu, uint32_t inode, uint32_t page) noexcept nogil:
    """A folio to write to, locked: the largest of the run's orders whose aligned range is a hole and for which there is a block;
    PFN_NONE. Context: no lock held."""
    cdef uint32_t order = MAX_FOLIO_ORDER, pfn
    while order and cpu.m.geo.shmem_orders:
        if cpu.m.geo.shmem_orders >> order & 1 and is_hole(cpu, inode, page >> order << order, <uint32_t>1 << order):
            pfn = alloc_large_folio(cpu, order)
            if pfn:
                folio_lock_new(cpu, pfn)
                folio_set(folio_of(cpu, pfn), PG_SWAPBACKED)
                return pfn
            count(cpu, EV_SHMEM_FALLBACK)
        order -= 1
    return 0


cdef int shmem_charge_and_add(Cpu cpu, uint32_t inode, uint32_t page, uint32_t pfn) noexcept nogil:
    """The new folio goes where the hole around the page is. 0, -EEXIST, -ENOMEM: it is let go. Context: folio locked; may sleep."""
    cdef int err = ENOMEM
    folio_of(cpu, pfn).mapping = MAPPING_NONE
    if mem_cgroup_charge(cpu, pfn, SHMEM_MEMCG) == 0:
        err = shmem_add_to_page_cache(cpu, pfn, inode, page & ~(folio_pages(cpu, pfn) - 1), 0)
    if err < 0:
        put_locked_folio(cpu, pfn)
    else:
        lru_add(cpu, pfn, False)
    return err


cdef int shmem_alloc_and_add_folio(Cpu cpu, uint32_t inode, uint32_t page, uint32_t *pfn) noexcept nogil:
    """A new folio where a hole is. 0 (`pfn`: locked, with a reference, not yet written), -EEXIST: no hole any more, -ENOMEM.

    Context: no lock held; may sleep.
    """
    cdef int err
    pfn[0] = shmem_alloc_hugest_folio(cpu, inode, page)
    if pfn[0]:
        err = shmem_charge_and_add(cpu, inode, page, pfn[0])
        if err == 0:
            count(cpu, EV_SHMEM_ALLOC)
        if err != ENOMEM:
            return err
        count(cpu, EV_SHMEM_FALLBACK_CHARGE)
    pfn[0] = alloc_swap_folio(cpu)
    return shmem_charge_and_add(cpu, inode, page, pfn[0]) if pfn[0] else ENOMEM


cdef int shmem_get_folio(Cpu cpu, Protocol p, uint32_t inode, uint32_t page, bint write, uint32_t *pfn) noexcept nogil:
    """The folio of a page, locked, with a reference; `pfn` is PFN_NONE for a hole that is only read. 0, -ENOMEM, -EIO.

    Context: no lock held; sleeps.
    """
    cdef uint64_t word = 0, before, since = 0
    cdef int err = EEXIST
    while err == EEXIST:
        before = word
        pfn[0] = filemap_get_entry(cpu, inode, page, &word)
        if pfn[0]:
            folio_lock(cpu, pfn[0], WAIT_FOLIO_LOCK)
            err = 0 if in_page_cache(cpu, pfn[0], inode, page) else EEXIST
            if err < 0:
                put_locked_folio(cpu, pfn[0])
        elif word_is_swap(word):
            since = cpu.now() if since == 0 else since
            if word == before:  # asked again at once, without a sleep
                cpu.relax(ASK_AGAIN_NS)
            err = shmem_swapin_folio(cpu, p, inode, page, radix_to_swp_entry(word), pfn)
        elif word:
            err = EIO
        else:
            err = shmem_alloc_and_add_folio(cpu, inode, page, pfn) if write else 0
    if since and err == 0:
        count(cpu, EV_SWAP_INS)
        trace(cpu, TRACE_SWAP_IN, 0, pfn[0], 0)
        record(cpu, LAT_SWAP_IN, since)
    return err


cdef uint32_t page_in_folio(Cpu cpu, uint32_t pfn, uint32_t page) noexcept nogil:
    """PFN of a page of the file. Context: the folio that has it locked."""
    return pfn + (page - load32(&folio_of(cpu, pfn).index))


cdef void clear_new_folio(Cpu cpu, uint32_t pfn) noexcept nogil:
    """What is not written of a large folio is zeroes. Context: folio locked, nobody has read it."""
    cdef uint32_t i
    for i in range(folio_pages(cpu, pfn)):
        content_clear(payload_of(&cpu.m, pfn + i), cpu.m.geo.payload_bytes)


cdef void verify(Cpu cpu, uint32_t pfn, uint32_t inode, uint32_t page) noexcept nogil:
    """Whether the page holds what was written to it last. Context: folio locked, in the page cache."""
    cdef char *payload = payload_of(&cpu.m, page_in_folio(cpu, pfn, page))
    cdef uint64_t expected = shmem_expected_of(&cpu.m, inode)[page]
    if not content_belongs(payload, shmem_identity(inode, page)) or content_stamp(payload) != expected or (
            not content_intact(payload, cpu.m.geo.payload_bytes)):
        warn(cpu, WARN_STALE_LOAD, shmem_identity(inode, page), content_stamp(payload), expected)


cdef void verify_hole(Cpu cpu, uint32_t inode, uint32_t page) noexcept nogil:
    """Whether nothing was written where a hole is. Context: takes i_pages, for the oracle alone."""
    cpu.lock(&cpu.m.inodes[inode].i_pages)
    if mapping_word(cpu, inode, page) == 0 and shmem_expected_of(&cpu.m, inode)[page] != 0:
        warn(cpu, WARN_STALE_LOAD, shmem_identity(inode, page), 0, shmem_expected_of(&cpu.m, inode)[page])
    cpu.unlock(&cpu.m.inodes[inode].i_pages)


cdef int shmem_read(Cpu cpu, Protocol p, uint32_t inode, uint32_t page) noexcept nogil:
    """Read a page. 0, -ENOMEM, -EIO (it is lost). Context: no lock held; sleeps."""
    cdef uint32_t pfn
    cdef int err
    count(cpu, EV_OPERATIONS)
    err = shmem_get_folio(cpu, p, inode, page, False, &pfn)
    if err < 0:
        return err
    if pfn == 0:
        verify_hole(cpu, inode, page)
        return 0
    verify(cpu, pfn, inode, page)
    folio_unlock(cpu, pfn)
    folio_put(cpu, pfn)
    return 0


cdef int shmem_write(Cpu cpu, Protocol p, uint32_t inode, uint32_t page) noexcept nogil:
    """Write a page. 0, -ENOMEM, -EIO (it is lost). Context: no lock held; sleeps."""
    cdef uint64_t *expected = &shmem_expected_of(&cpu.m, inode)[page]
    cdef uint32_t pfn
    cdef int err
    count(cpu, EV_OPERATIONS)
    err = shmem_get_folio(cpu, p, inode, page, True, &pfn)
    if err < 0:
        return err
    if folio_test(folio_of(cpu, pfn), PG_UPTODATE):
        verify(cpu, pfn, inode, page)
    else:
        clear_new_folio(cpu, pfn)
    cpu.my.stamp += 1
    expected[0] = (<uint64_t>(cpu.id + 1) << STAMP_CPU_SHIFT) | cpu.my.stamp
    content_write(payload_of(&cpu.m, page_in_folio(cpu, pfn, page)), cpu.m.geo.payload_bytes, shmem_identity(inode, page), expected[0])
    folio_set(folio_of(cpu, pfn), PG_UPTODATE | PG_DIRTY)
    folio_unlock(cpu, pfn)
    folio_put(cpu, pfn)
    return 0


cdef int shmem_unuse_inode(Cpu cpu, Protocol p, uint32_t inode, uint32_t device) noexcept nogil:
    """Bring every page of a file back that lies on the device. 0 or -ENOMEM. Context: no lock held; sleeps."""
    cdef uint32_t page, pfn
    cdef uint64_t word
    cdef int err
    for page in range(<uint32_t>cpu.m.geo.inode_pages):
        word = mapping_word(cpu, inode, page)
        if not word_is_swap(word) or swp_type(radix_to_swp_entry(word)) != device:
            continue
        err = shmem_swapin_folio(cpu, p, inode, page, radix_to_swp_entry(word), &pfn)
        if err == 0:
            put_locked_folio(cpu, pfn)
        if err == ENOMEM:
            return err
        if load32(&cpu.m.control.stop):
            break
    return 0


cdef int shmem_unuse(Cpu cpu, Protocol p, uint32_t device) noexcept nogil:
    """Bring every page of all files back that lies on the device; who was not to be had is seen in the next round. 0 or -ENOMEM.

    Context: swapon_mutex held; sleeps.
    """
    cdef uint32_t inode
    cdef int err
    for inode in range(<uint32_t>cpu.m.geo.inodes):
        if shmem_must_visit(cpu, inode):
            err = shmem_unuse_inode(cpu, p, inode, device)
            if err < 0:
                return err
            shmem_must_visit(cpu, inode)  # which takes it off the list when it has no swapped page any more
    return 0
