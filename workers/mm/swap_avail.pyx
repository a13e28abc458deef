"""A device that is full leaves the list of available ones, and the first slot that is freed brings it back.

SWAP_USAGE_OFFLIST_BIT of inuse_pages says that it is off the list. It changes under swap_avail_lock; the count beside it
by atomic adds under any cluster lock, so that whoever turns the device full, or frees its first slot, sees it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from shm.atomic cimport add_i64, cas64, fetch_and32, fetch_or32, load32, load_i64
from shm.swapfile cimport (
    SWAP_USAGE_OFFLIST_BIT, SWP_WRITEOK, swap_avail_t, swap_info_struct, swap_usage_in_pages,
)
from workers.cpu cimport READS, WRITES, Cpu, point


cdef void avail_del(Cpu cpu, uint32_t device) noexcept nogil:
    """Context: swap_avail_lock held. A device that is not on the list stays off it."""
    cdef swap_avail_t *avail = cpu.m.swap_avail
    cdef uint32_t i = 0, j
    while i < avail.nr and avail.device[i] != device:
        i += 1
    if i < avail.nr:
        for j in range(i, avail.nr - 1):
            avail.device[j] = avail.device[j + 1]
        avail.nr -= 1


cdef void avail_add(Cpu cpu, uint32_t device) noexcept nogil:
    """Behind all of its priority (kernel: plist_add). Context: swap_avail_lock held; the device is not on the list."""
    cdef swap_avail_t *avail = cpu.m.swap_avail
    cdef uint32_t i = avail.nr
    while i and cpu.m.si[avail.device[i - 1]].prio < cpu.m.si[device].prio:
        avail.device[i] = avail.device[i - 1]
        i -= 1
    avail.device[i] = device
    avail.nr += 1


cdef inline void usage_point(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """The mark stands in the word that slots are counted in, without this lock. Context: swap_avail_lock held."""
    if cpu.m.geo.devices > 1:
        point(cpu, &si.inuse_pages, WRITES)


cdef bint full_off_list(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """Mark a full device as off the list, unless it is marked or has a free slot. Context: swap_avail_lock held."""
    usage_point(cpu, si)
    return cas64(<uint64_t *>&si.inuse_pages, si.pages, <uint64_t>si.pages | SWAP_USAGE_OFFLIST_BIT)


cdef void del_from_avail_list(Cpu cpu, swap_info_struct *si, bint swapoff) noexcept nogil:
    """Off the list, because the device is full, or because it is swapped off: then it takes no pages from here on.

    Context: si->lock held for swapoff, else a cluster lock; takes swap_avail_lock.
    """
    cpu.lock(&cpu.m.swap_avail.lock)
    if swapoff:
        point(cpu, &si.flags, WRITES)
        fetch_and32(&si.flags, ~<uint32_t>SWP_WRITEOK)
        usage_point(cpu, si)
        if not load_i64(&si.inuse_pages) & SWAP_USAGE_OFFLIST_BIT:
            add_i64(&si.inuse_pages, SWAP_USAGE_OFFLIST_BIT)
        avail_del(cpu, si.type)
    elif full_off_list(cpu, si):
        avail_del(cpu, si.type)
    cpu.unlock(&cpu.m.swap_avail.lock)


cdef void add_to_avail_list(Cpu cpu, swap_info_struct *si, bint swapon) noexcept nogil:
    """On the list again, because a slot is free, or because of a swapon, or of a swapoff that has failed.

    Context: si->lock held for swapon, else a cluster lock; takes swap_avail_lock.
    """
    cpu.lock(&cpu.m.swap_avail.lock)
    if swapon:
        point(cpu, &si.flags, WRITES)
        fetch_or32(&si.flags, SWP_WRITEOK)
    usage_point(cpu, si)
    if load32(&si.flags) & SWP_WRITEOK and load_i64(&si.inuse_pages) & SWAP_USAGE_OFFLIST_BIT:
        add_i64(&si.inuse_pages, -<int64_t>SWAP_USAGE_OFFLIST_BIT)
        if swap_usage_in_pages(si) != si.pages or not full_off_list(cpu, si):  # it may be full again by now
            avail_add(cpu, si.type)
    cpu.unlock(&cpu.m.swap_avail.lock)


cdef void swap_usage_add(Cpu cpu, swap_info_struct *si, uint32_t nr) noexcept nogil:
    """Slots are taken. Context: cluster lock held; takes swap_avail_lock when the device is full."""
    if cpu.m.geo.devices > 1:  # with one device nobody asks whether it is on the list
        point(cpu, &si.inuse_pages, WRITES)
    if add_i64(&si.inuse_pages, nr) == si.pages:
        del_from_avail_list(cpu, si, False)


cdef void swap_usage_sub(Cpu cpu, swap_info_struct *si, uint32_t nr) noexcept nogil:
    """Slots are free. Context: cluster lock held; takes swap_avail_lock when the device was off the list."""
    if cpu.m.geo.devices > 1:
        point(cpu, &si.inuse_pages, WRITES)
    if add_i64(&si.inuse_pages, -<int64_t>nr) & SWAP_USAGE_OFFLIST_BIT:
        add_to_avail_list(cpu, si, False)


cdef uint32_t next_device(Cpu cpu, uint32_t *tried) noexcept nogil:
    """The first device on the list that has no bit in `tried` yet, to stand behind its equals from now on (plist_requeue).

    NO_DEVICE: none. Context: takes swap_avail_lock.
    """
    cdef swap_avail_t *avail = cpu.m.swap_avail
    cdef uint32_t i, device = NO_DEVICE
    cpu.lock(&avail.lock)
    for i in range(avail.nr):
        if not tried[0] >> avail.device[i] & 1:
            device = avail.device[i]
            tried[0] |= <uint32_t>1 << device
            avail_del(cpu, device)
            avail_add(cpu, device)
            break
    cpu.unlock(&avail.lock)
    return device
