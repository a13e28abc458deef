"""Which slots a folio gets: from the CPU's own cluster of its order first, then nonfull, free, reclaimed full, frag ones.

A folio of order n gets 2^n slots of one cluster, aligned to their number. Order 0 steals from clusters of any order when
its own are at an end. A rotating device has one place where all CPUs go on, instead of one for each CPU.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport add_i64, load32, load64, store32, store64
from shm.cluster cimport (
    CLUSTER_FLAG_FRAG, CLUSTER_FLAG_FREE, CLUSTER_FLAG_FULL, CLUSTER_FLAG_NONE, CLUSTER_FLAG_NONFULL, CLUSTER_NIL,
    swap_cluster_info,
)
from shm.layout cimport cluster_of
from shm.lock cimport CLASS_PERCPU_CLUSTER
from shm.slots cimport slot_is_free, slot_only_has_cache
from shm.swapfile cimport SWP_PAGE_DISCARD, SWP_SOLIDSTATE, SWP_WRITEOK, swap_info_struct
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_offset, swp_type
from shm.trace cimport TRACE_ALLOC_SLOT
from shm.vmstat cimport WARN_TABLE_TWICE
from workers.cpu cimport READS, Cpu, might_sleep, point, sleeping_lock, sleeping_unlock, trace, warn
from workers.mm.memcontrol cimport slot_of
from workers.mm.protocol cimport TTRS_ANYWAY, Protocol
from workers.mm.swap_avail cimport NO_DEVICE, next_device, swap_usage_add
from workers.mm.swap_discard cimport swap_do_scheduled_discard, swap_sync_discard
from workers.mm.swap_lists cimport (
    cluster_is_usable, give_table, isolate_lock_cluster, move_cluster, relocate_cluster, take_table,
)
from workers.mm.swapfile cimport (
    ci_of, get_swap_device, put_swap_device, swap_cluster_lock, swap_cluster_unlock, vm_swap_full,
)

cdef enum:  # what a range of slots holds
    RANGE_FREE = 0
    RANGE_CACHE_ONLY = 1  # free once the swap cache has let go of some
    RANGE_USED = 2

cdef struct slot_request:
    uint32_t pfn
    uint32_t order
    uint32_t device


cdef bint rotates(Cpu cpu, uint32_t device) noexcept nogil:
    """Context: the device is pinned."""
    return not load32(&cpu.m.si[device].flags) & SWP_SOLIDSTATE


cdef swp_entry_t first_entry(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil:
    """The first slot of a cluster, which may be the device's header. Context: none."""
    return swp_entry(device, <uint64_t>index * cpu.m.geo.cluster_slots)


cdef int range_state(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """RANGE_*: whether a folio may have these slots; those of the swap cache alone count only when swap is short.

    Context: cluster lock held.
    """
    cdef uint64_t slot = slot_of(cpu, entry)
    cdef uint32_t i
    cdef int state = RANGE_FREE
    for i in range(nr):
        if slot_is_free(&cpu.m, slot + i):
            continue
        if not slot_only_has_cache(&cpu.m, slot + i) or not vm_swap_full(cpu):
            return RANGE_USED
        state = RANGE_CACHE_ONLY
    return state


cdef bint cluster_reclaim_range(Cpu cpu, Protocol p, slot_request *want, swp_entry_t entry, bint *usable) noexcept nogil:
    """Let go of the cache of these slots; whether all are free now. `usable`: whether to go on in this cluster.

    Context: cluster lock held, dropped and taken again: another CPU may have used or freed the cluster meanwhile. The
    device is pinned; folio locks by trylock.
    """
    cdef uint32_t i, nr = <uint32_t>1 << want.order
    swap_cluster_unlock(cpu, entry)
    for i in range(nr):
        if p.try_to_reclaim_swap(cpu, entry + i, TTRS_ANYWAY) < 0:
            break
    swap_cluster_lock(cpu, entry)
    usable[0] = cluster_is_usable(ci_of(cpu, entry), want.order)
    return usable[0] and range_state(cpu, entry, nr) == RANGE_FREE


cdef bint cluster_alloc(Cpu cpu, Protocol p, slot_request *want, swp_entry_t entry) noexcept nogil:
    """The folio gets the free slots. False when the device is being swapped off.

    Context: folio locked; cluster lock held; WRITEOK is tested under it, so that swapoff's sweep of all clusters closes
    the door.
    """
    cdef swap_cluster_info *ci = ci_of(cpu, entry)
    cdef uint32_t nr = <uint32_t>1 << want.order
    if not p.cluster_alloc_range(cpu, ci, entry, want.pfn, nr):
        return False
    if ci.count == 0:
        ci.order = want.order
    ci.count += nr
    swap_usage_add(cpu, &cpu.m.si[want.device], nr)
    add_i64(&cpu.m.control.nr_swap_pages, -<int>nr)
    trace(cpu, TRACE_ALLOC_SLOT, entry, 0, 0)
    return True


cdef void go_on_from(Cpu cpu, slot_request *want, swp_entry_t after) noexcept nogil:
    """Where the next allocation of that order begins; 0: nowhere. Context: local lock, or global_cluster_lock, held."""
    if rotates(cpu, want.device):
        store32(&cpu.m.si[want.device].global_next[want.order], <uint32_t>swp_offset(after))
    else:
        store64(&cpu.my.cluster_next[want.order], after)


cdef swp_entry_t scan_cluster(Cpu cpu, Protocol p, slot_request *want, swp_entry_t start) noexcept nogil:
    """Free slots from `start` on; 0: the cluster has none there (kernel: alloc_swap_scan_cluster).

    Context: the device pinned, local lock held (and global_cluster_lock); cluster lock held, dropped here.
    """
    cdef uint32_t index = <uint32_t>(swp_offset(start) // cpu.m.geo.cluster_slots), nr = <uint32_t>1 << want.order
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, want.device, index)
    cdef uint64_t offset = swp_offset(start), end = (<uint64_t>index + 1) * cpu.m.geo.cluster_slots
    cdef swp_entry_t entry, found = 0, after = 0
    cdef bint usable = True
    cdef int state
    if end > cpu.m.si[want.device].max:
        end = cpu.m.si[want.device].max
    while offset + nr <= end and ci.count + nr <= cpu.m.geo.cluster_slots:
        entry = swp_entry(want.device, offset)
        offset += nr
        state = range_state(cpu, entry, nr)
        if state == RANGE_CACHE_ONLY and cluster_reclaim_range(cpu, p, want, entry, &usable):
            state = RANGE_FREE
        if not usable:
            break
        if state == RANGE_FREE:
            if cluster_alloc(cpu, p, want, entry):
                found = entry
                if ci.count < cpu.m.geo.cluster_slots and offset + nr <= end:
                    after = swp_entry(want.device, offset)
            break
    if usable:
        relocate_cluster(cpu, want.device, index)
    swap_cluster_unlock(cpu, start)
    go_on_from(cpu, want, after)
    return found


cdef swp_entry_t scan_from(Cpu cpu, Protocol p, slot_request *want, swp_entry_t next) noexcept nogil:
    """Where this CPU's last allocation of that order has left off, if that cluster is still usable.

    Context: the device pinned, local lock held (and global_cluster_lock); takes the cluster lock.
    """
    cdef swap_cluster_info *ci = ci_of(cpu, next)
    cdef uint32_t index = <uint32_t>(swp_offset(next) // cpu.m.geo.cluster_slots)
    cpu.lock(&ci.lock)
    if not cluster_is_usable(ci, want.order):
        swap_cluster_unlock(cpu, next)
        go_on_from(cpu, want, 0)
        return 0
    return scan_cluster(cpu, p, want, first_entry(cpu, want.device, index) if ci.count == 0 else next)


cdef bint cluster_alloc_table(Cpu cpu, slot_request *want, uint32_t index) noexcept nogil:
    """A table for an isolated empty cluster. False: there is none, and the cluster is free again, and unlocked.

    One that is not to be had at once is waited for with all locks dropped. Nobody else touches the cluster meanwhile: it
    is off every list, empty, and without a table no CPU can use it.
    Context: cluster lock and local lock (and global_cluster_lock) held, dropped and taken again around the sleep.
    """
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, want.device, index)
    cdef bint rotating = rotates(cpu, want.device)
    cdef uint32_t table = take_table(cpu)
    if table:
        store32(&ci.table, table)
        return True
    swap_cluster_unlock(cpu, first_entry(cpu, want.device, index))
    if rotating:
        cpu.unlock(&cpu.m.si[want.device].global_cluster_lock)
    sleeping_unlock(cpu, CLASS_PERCPU_CLUSTER)
    might_sleep(cpu)
    table = take_table(cpu)
    sleeping_lock(cpu, CLASS_PERCPU_CLUSTER, False)
    if rotating:
        cpu.lock(&cpu.m.si[want.device].global_cluster_lock)
    cpu.lock(&ci.lock)
    if ci.table:
        warn(cpu, WARN_TABLE_TWICE, first_entry(cpu, want.device, index), ci.table, ci.flags)
        if table:
            give_table(cpu, table)
        return True
    if table == 0:
        move_cluster(cpu, want.device, index, CLUSTER_FLAG_FREE)
        swap_cluster_unlock(cpu, first_entry(cpu, want.device, index))
        return False
    store32(&ci.table, table)
    return True


cdef swp_entry_t scan_list(Cpu cpu, Protocol p, slot_request *want, uint32_t flag, uint32_t order, bint all) noexcept nogil:
    """From the first cluster of a list that can be locked, or, with `all`, from the first that has room. 0: none.

    Context: the device pinned, local lock held (and global_cluster_lock); takes si->lock, cluster locks; sleeps only
    where a free cluster's table is not to be had at once.
    """
    cdef uint32_t index, tries = cpu.m.si[want.device].nr_clusters if all else 1
    cdef swp_entry_t found = 0
    cdef swap_cluster_info *ci
    while not found and tries:
        tries -= 1
        index = isolate_lock_cluster(cpu, want.device, flag, order)
        if index == CLUSTER_NIL:
            break
        ci = cluster_of(&cpu.m, want.device, index)
        if not ci.table and not cluster_alloc_table(cpu, want, index):
            break
        found = scan_cluster(cpu, p, want, first_entry(cpu, want.device, index))
    return found


cdef void swap_reclaim_full_clusters(Cpu cpu, Protocol p, uint32_t device) noexcept nogil:
    """Let go of the cache-only slots of one full cluster.

    Context: the device pinned, local lock held; takes si->lock, cluster locks; folio locks by trylock.
    """
    cdef uint32_t index = isolate_lock_cluster(cpu, device, CLUSTER_FLAG_FULL, 0)
    cdef swap_cluster_info *ci
    cdef swp_entry_t entry
    cdef uint64_t offset, end
    if index == CLUSTER_NIL:
        return
    ci = cluster_of(&cpu.m, device, index)
    offset = <uint64_t>index * cpu.m.geo.cluster_slots
    end = offset + cpu.m.geo.cluster_slots
    while offset < end and offset < cpu.m.si[device].max:
        entry = swp_entry(device, offset)
        if slot_only_has_cache(&cpu.m, slot_of(cpu, entry)):
            swap_cluster_unlock(cpu, entry)
            p.try_to_reclaim_swap(cpu, entry, TTRS_ANYWAY)
            swap_cluster_lock(cpu, entry)
        offset += 1
    if ci.flags == CLUSTER_FLAG_NONE and ci.owner == cpu.id + 1:  # else whoever freed a slot has put it on a list
        relocate_cluster(cpu, device, index)
    swap_cluster_unlock(cpu, first_entry(cpu, device, index))


cdef swp_entry_t scan_lists(Cpu cpu, Protocol p, slot_request *want) noexcept nogil:
    """The lists of the device in the order of cluster_alloc_swap_entry. Context: as scan_list."""
    cdef bint largest = want.order + 1 == cpu.m.cluster_orders and want.order != 0  # a whole cluster: no part of one will do
    cdef swp_entry_t found = 0
    cdef uint32_t order
    if load32(&cpu.m.si[want.device].flags) & SWP_PAGE_DISCARD:  # spread the writes over what has been discarded
        found = scan_list(cpu, p, want, CLUSTER_FLAG_FREE, 0, False)
    if not found and not largest:
        found = scan_list(cpu, p, want, CLUSTER_FLAG_NONFULL, want.order, True)
    if not found:
        found = scan_list(cpu, p, want, CLUSTER_FLAG_FREE, 0, False)
    if not found and vm_swap_full(cpu):
        swap_reclaim_full_clusters(cpu, p, want.device)
    if not found and not largest:
        found = scan_list(cpu, p, want, CLUSTER_FLAG_FRAG, want.order, False)
    if not found and p.discards_in_scan and swap_do_scheduled_discard(cpu, &cpu.m.si[want.device]):
        found = scan_list(cpu, p, want, CLUSTER_FLAG_FREE, 0, False)
    if want.order != 0:
        return found
    for order in range(1, cpu.m.cluster_orders):
        if not found:
            found = scan_list(cpu, p, want, CLUSTER_FLAG_FRAG, order, True)
        if not found:
            found = scan_list(cpu, p, want, CLUSTER_FLAG_NONFULL, order, True)
    return found


cdef swp_entry_t cluster_alloc_swap_entry(Cpu cpu, Protocol p, slot_request *want) noexcept nogil:
    """Context: the device pinned, local lock held; takes global_cluster_lock of a rotating device, si->lock, cluster locks."""
    cdef swap_info_struct *si = &cpu.m.si[want.device]
    cdef swp_entry_t found = 0
    if not rotates(cpu, want.device):
        return scan_lists(cpu, p, want)
    cpu.lock(&si.global_cluster_lock)
    if si.global_next[want.order]:
        found = scan_from(cpu, p, want, swp_entry(want.device, si.global_next[want.order]))
    if not found:
        found = scan_lists(cpu, p, want)
    cpu.unlock(&si.global_cluster_lock)
    return found


cdef swp_entry_t alloc_on_the_device(Cpu cpu, Protocol p, slot_request *want) noexcept nogil:
    """The fast way and the slow one where there is one device, and nothing to choose. Context: local lock held."""
    cdef swp_entry_t found = 0, next
    if not load32(&cpu.m.si[0].flags) & SWP_WRITEOK or not get_swap_device(cpu, swp_entry(0, 1)):
        return 0
    next = load64(&cpu.my.cluster_next[want.order])
    if next:
        found = scan_from(cpu, p, want, next)
    if not found:
        found = cluster_alloc_swap_entry(cpu, p, want)
    put_swap_device(cpu, 0)
    return found


cdef swp_entry_t swap_alloc_fast(Cpu cpu, Protocol p, slot_request *want) noexcept nogil:
    """Where this CPU's last allocation of that order has left off, on whichever device. Context: local lock held."""
    cdef swp_entry_t found, next
    point(cpu, &cpu.my.cluster_next[want.order], READS)
    next = load64(&cpu.my.cluster_next[want.order])
    if next == 0 or not get_swap_device(cpu, next):
        return 0
    want.device = swp_type(next)
    found = scan_from(cpu, p, want, next)
    put_swap_device(cpu, want.device)
    return found


cdef swp_entry_t swap_alloc_slow(Cpu cpu, Protocol p, slot_request *want) noexcept nogil:
    """From the first available device that has room; a large folio tries one alone. Context: local lock held."""
    cdef swp_entry_t found = 0
    cdef uint32_t tried = 0, device = next_device(cpu, &tried)
    while device != NO_DEVICE:
        if get_swap_device(cpu, swp_entry(device, 1)):
            want.device = device
            found = cluster_alloc_swap_entry(cpu, p, want)
            put_swap_device(cpu, device)
            if found or want.order:
                break
        device = next_device(cpu, &tried)
    return found


cdef swp_entry_t alloc_under_local_lock(Cpu cpu, Protocol p, slot_request *want) noexcept nogil:
    """The fast way, else the slow one. Context: folio locked; takes the local lock."""
    cdef swp_entry_t entry
    sleeping_lock(cpu, CLASS_PERCPU_CLUSTER, False)
    if cpu.m.geo.devices == 1:
        entry = alloc_on_the_device(cpu, p, want)
    else:
        entry = swap_alloc_fast(cpu, p, want)
        if not entry:
            entry = swap_alloc_slow(cpu, p, want)
    sleeping_unlock(cpu, CLASS_PERCPU_CLUSTER)
    return entry


cdef swp_entry_t swap_alloc_entry(Cpu cpu, Protocol p, uint32_t pfn, uint32_t order) noexcept nogil:
    """2^order slots for the folio, taken as the protocol takes them (cluster_alloc_range): the first; 0: there are none.

    Order 0 that finds none waits until some are discarded, and looks again (kernel: folio_alloc_swap).
    Context: folio locked; takes local lock, cluster locks, si->lock; folio locks of others by trylock; may sleep.
    """
    cdef slot_request want
    cdef swp_entry_t entry = 0
    want.pfn = pfn
    want.order = order
    want.device = 0
    while not entry:
        entry = alloc_under_local_lock(cpu, p, &want)
        if entry or order or not swap_sync_discard(cpu):
            break
    return entry
