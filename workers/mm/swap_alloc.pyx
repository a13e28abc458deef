"""Which slot a folio gets: the CPU's own cluster first, then nonfull, free, reclaimed full, frag ones.

A cache-only slot in the way is not reclaimed here (that takes the protocol): it is named to the caller, who reclaims it
with no lock held and asks again, so that everything is looked at anew, as the kernel does after it dropped the lock.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport add_i64, load32
from shm.cluster cimport (
    CLUSTER_FLAG_FRAG, CLUSTER_FLAG_FREE, CLUSTER_FLAG_FULL, CLUSTER_FLAG_NONFULL, CLUSTER_NIL, swap_cluster_info,
)
from shm.layout cimport cluster_of
from shm.lock cimport CLASS_PERCPU_CLUSTER
from shm.slots cimport slot_is_free, slot_only_has_cache
from shm.swapfile cimport SWP_WRITEOK, swap_info_struct
from shm.swp_entry cimport swp_entry, swp_entry_t
from shm.trace cimport TRACE_ALLOC_SLOT
from workers.cpu cimport Cpu, sleeping_lock, sleeping_unlock, trace
from workers.mm.memcontrol cimport slot_of
from workers.mm.protocol cimport Protocol
from workers.mm.swap_lists cimport (
    isolate_lock_cluster, move_cluster, relocate_cluster, swap_cluster_alloc_table,
)
from workers.mm.swapfile cimport get_swap_device, put_swap_device, si_of, swap_cluster_unlock, vm_swap_full


cdef swp_entry_t take_slot(Cpu cpu, Protocol p, uint32_t pfn, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
    """The folio gets the free slot. 0 when the device is being swapped off.

    Context: folio locked; cluster lock held; WRITEOK is tested under it, so that swapoff's sweep of all clusters closes
    the door.
    """
    cdef swap_info_struct *si = si_of(cpu, entry)
    if not p.cluster_alloc_slot(cpu, ci, entry, pfn):
        return 0
    ci.count += 1
    add_i64(&si.inuse_pages, 1)
    add_i64(&cpu.m.control.nr_swap_pages, -1)
    trace(cpu, TRACE_ALLOC_SLOT, entry, 0, 0)
    return entry


cdef swp_entry_t scan_cluster(Cpu cpu, Protocol p, uint32_t pfn, uint32_t device, uint32_t index, uint32_t start, swp_entry_t *cache_only) noexcept nogil:
    """A free slot from `start` on, else around; 0 and perhaps `cache_only` when there is none.

    Context: cluster lock held, dropped here; the per-CPU cluster remembers where to go on.
    """
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, device, index)
    cdef uint32_t n = <uint32_t>cpu.m.geo.cluster_slots, i, off
    cdef uint64_t first = <uint64_t>index * n
    cdef swp_entry_t found = 0, entry
    cdef uint64_t slot
    cdef bint full = vm_swap_full(cpu)
    for i in range(n):
        off = (start + i) % n
        if first + off >= cpu.m.geo.slots:
            continue
        entry = swp_entry(device, first + off)
        slot = slot_of(cpu, entry)
        if slot_is_free(&cpu.m, slot):
            found = take_slot(cpu, p, pfn, ci, entry)
            cpu.my.cluster[device] = index + 1
            cpu.my.cluster_offset[device] = (off + 1) % n
            break
        if full and cache_only[0] == 0 and slot_only_has_cache(&cpu.m, slot):
            cache_only[0] = entry
    if not found:
        cpu.my.cluster[device] = 0
    relocate_cluster(cpu, device, index)
    swap_cluster_unlock(cpu, swp_entry(device, first))
    return found


cdef swp_entry_t alloc_percpu(Cpu cpu, Protocol p, uint32_t pfn, uint32_t device, swp_entry_t *cache_only) noexcept nogil:
    """From this CPU's own cluster, if it is still usable. Context: local lock held; takes the cluster lock."""
    cdef uint32_t index = cpu.my.cluster[device]
    cdef swap_cluster_info *ci
    if index == 0:
        return 0
    ci = cluster_of(&cpu.m, device, index - 1)
    cpu.lock(&ci.lock)
    if ci.flags > CLUSTER_FLAG_FRAG or ci.table == 0:
        cpu.my.cluster[device] = 0
        swap_cluster_unlock(cpu, swp_entry(device, (<uint64_t>index - 1) * cpu.m.geo.cluster_slots))
        return 0
    return scan_cluster(cpu, p, pfn, device, index - 1, cpu.my.cluster_offset[device], cache_only)


cdef swp_entry_t alloc_from(Cpu cpu, Protocol p, uint32_t pfn, uint32_t device, uint32_t flag, swp_entry_t *cache_only) noexcept nogil:
    """From the first cluster of a list that can be locked. 0: none, or nothing in it. Context: local lock held."""
    cdef uint32_t index = isolate_lock_cluster(cpu, device, flag)
    cdef swap_cluster_info *ci
    if index == CLUSTER_NIL:
        return 0
    ci = cluster_of(&cpu.m, device, index)
    if not swap_cluster_alloc_table(cpu, ci):
        move_cluster(cpu, device, index, CLUSTER_FLAG_FREE)
        swap_cluster_unlock(cpu, swp_entry(device, <uint64_t>index * cpu.m.geo.cluster_slots))
        return 0
    return scan_cluster(cpu, p, pfn, device, index, 0, cache_only)


cdef void find_cache_only(Cpu cpu, uint32_t device, swp_entry_t *cache_only) noexcept nogil:
    """Name a cache-only slot of one full cluster (kernel: swap_reclaim_full_clusters). Context: local lock held."""
    cdef uint32_t index = isolate_lock_cluster(cpu, device, CLUSTER_FLAG_FULL), off
    cdef uint64_t first
    cdef swp_entry_t entry
    if index == CLUSTER_NIL:
        return
    first = <uint64_t>index * cpu.m.geo.cluster_slots
    for off in range(<uint32_t>cpu.m.geo.cluster_slots):
        if first + off >= cpu.m.geo.slots:
            break
        entry = swp_entry(device, first + off)
        if slot_only_has_cache(&cpu.m, slot_of(cpu, entry)):
            cache_only[0] = entry
            break
    relocate_cluster(cpu, device, index)
    swap_cluster_unlock(cpu, swp_entry(device, first))


cdef swp_entry_t alloc_on_device(Cpu cpu, Protocol p, uint32_t pfn, uint32_t device, swp_entry_t *cache_only) noexcept nogil:
    """Context: the device is pinned; local lock held."""
    cdef swap_info_struct *si = &cpu.m.si[device]
    cdef swp_entry_t entry = alloc_percpu(cpu, p, pfn, device, cache_only)
    cdef uint32_t tries = 0
    while not entry and tries < si.nr_clusters and load32(&si.lists[CLUSTER_FLAG_NONFULL].nr):
        entry = alloc_from(cpu, p, pfn, device, CLUSTER_FLAG_NONFULL, cache_only)
        tries += 1
    if not entry:
        entry = alloc_from(cpu, p, pfn, device, CLUSTER_FLAG_FREE, cache_only)
    if not entry and vm_swap_full(cpu) and cache_only[0] == 0:
        find_cache_only(cpu, device, cache_only)
    if not entry:
        entry = alloc_from(cpu, p, pfn, device, CLUSTER_FLAG_FRAG, cache_only)
    return entry


cdef swp_entry_t swap_alloc_entry(Cpu cpu, Protocol p, uint32_t pfn, swp_entry_t *cache_only) noexcept nogil:
    """A slot for the folio, taken as the protocol takes it (cluster_alloc_slot); 0 when there is none.

    When it is 0, `cache_only` may name a slot whose reclaim would make one free.
    Context: folio locked; takes local lock, cluster locks, si->lock.
    """
    cdef uint32_t device
    cdef swp_entry_t entry = 0
    cache_only[0] = 0
    for device in range(<uint32_t>cpu.m.geo.devices):
        if not load32(&cpu.m.si[device].flags) & SWP_WRITEOK:
            continue
        if not get_swap_device(cpu, swp_entry(device, 1)):
            continue
        sleeping_lock(cpu, CLASS_PERCPU_CLUSTER, False)
        entry = alloc_on_device(cpu, p, pfn, device, cache_only)
        sleeping_unlock(cpu, CLASS_PERCPU_CLUSTER)
        put_swap_device(cpu, device)
        if entry:
            break
    return entry
