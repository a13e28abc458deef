"""A cluster that is discarded is nobody's: off every list, with its flag, until the device has forgotten its blocks.

A CPU of its own discards what others have freed (discard_work). An allocation of order 0 that finds nothing discards by
itself, with no lock held, and asks again.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load32, store32, xchg32
from shm.cluster cimport CLUSTER_FLAG_DISCARD, CLUSTER_FLAG_NONE, CLUSTER_NIL, swap_cluster_info
from shm.layout cimport cluster_of
from shm.swapfile cimport SWP_PAGE_DISCARD, swap_info_struct
from shm.swp_entry cimport swp_entry
from shm.vmstat cimport WAIT_DEVICE, WAIT_OTHER_LOCK
from workers.cpu cimport WRITES, Cpu, might_sleep, point
from workers.mm.filemap cimport wait_event_tick, wake_event
from workers.mm.memcontrol cimport slot_of
from workers.mm.page_alloc cimport stack_push
from workers.mm.swap_lists cimport list_del, release_cluster
from workers.mm.swapfile cimport get_swap_device, put_swap_device, swap_cluster_unlock

cdef enum:
    DISCARDER_IDLE_NS = 5000000  # how long it sleeps before it looks whether all others have left


cdef void discard_swap_cluster(Cpu cpu, swap_info_struct *si, uint32_t index) noexcept nogil:
    """The device forgets what the slots of a cluster held. Context: the cluster is ours to discard; no lock held; sleeps."""
    cdef uint64_t since = cpu.now(), now = since, offset
    cdef uint32_t block, i
    cdef uint64_t slot
    might_sleep(cpu)
    while now < since + si.discard_ns:  # a wake-up for more to discard may come early
        cpu.park_timeout(since + si.discard_ns - now, WAIT_DEVICE)
        now = cpu.now()
    for i in range(<uint32_t>cpu.m.geo.cluster_slots):
        offset = <uint64_t>index * cpu.m.geo.cluster_slots + i
        if offset >= si.max:
            break
        slot = slot_of(cpu, swp_entry(si.type, offset))
        block = load32(&cpu.m.handles[slot])
        if block:
            point(cpu, &cpu.m.handles[slot], WRITES)
            store32(&cpu.m.handles[slot], 0)
            stack_push(cpu, &cpu.m.devices[si.type].free_blocks,
                       &cpu.m.block_next[si.type * (cpu.m.geo.blocks + 1)], block)


cdef bint swap_do_scheduled_discard(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """Discard what waits for it. Whether there was anything. Context: no lock held; takes si->lock, cluster locks; sleeps."""
    cdef uint32_t index
    cdef swap_cluster_info *ci
    cdef bint any = False
    cpu.lock(&si.lock)
    while si.lists[CLUSTER_FLAG_DISCARD].head != CLUSTER_NIL:
        index = si.lists[CLUSTER_FLAG_DISCARD].head
        list_del(cpu, si.type, index)  # the flag stays: a CPU that goes on there must not use it
        si.discarding += 1
        cpu.unlock(&si.lock)
        discard_swap_cluster(cpu, si, index)
        ci = cluster_of(&cpu.m, si.type, index)
        cpu.lock(&ci.lock)
        ci.flags = CLUSTER_FLAG_NONE
        ci.owner = cpu.id + 1
        release_cluster(cpu, si.type, index)
        swap_cluster_unlock(cpu, swp_entry(si.type, <uint64_t>index * cpu.m.geo.cluster_slots))
        any = True
        cpu.lock(&si.lock)
        si.discarding -= 1
    cpu.unlock(&si.lock)
    if any:
        wake_event(cpu, &si.discarding)
    return any


cdef bint swap_sync_discard(Cpu cpu) noexcept nogil:
    """An allocation has found nothing: discard what waits for it on the first device that has any. Whether it had.

    Context: no spinlock and no local lock held; sleeps.
    """
    cdef uint32_t device
    cdef bint discarded = False
    for device in range(<uint32_t>cpu.m.geo.devices):
        if load32(&cpu.m.si[device].flags) & SWP_PAGE_DISCARD and get_swap_device(cpu, swp_entry(device, 1)):
            discarded = swap_do_scheduled_discard(cpu, &cpu.m.si[device])
            put_swap_device(cpu, device)
        if discarded:
            break
    return discarded


cdef bint discards_under_way(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """Context: takes si->lock."""
    cdef bint busy
    cpu.lock(&si.lock)
    busy = si.discarding != 0
    cpu.unlock(&si.lock)
    return busy


cdef void flush_discard_work(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """Until no cluster of a device that goes is discarded any more. Context: swapon_mutex held; sleeps."""
    swap_do_scheduled_discard(cpu, si)
    while discards_under_way(cpu, si):
        wait_event_tick(cpu, &si.discarding, cpu.m.control.tick_ns, WAIT_OTHER_LOCK)


cdef void serve_discards(Cpu cpu) noexcept nogil:
    """What the CPU that discards does until all working CPUs have left and nothing waits for it.

    Context: no lock held; sleeps.
    """
    cdef uint32_t device
    cdef bint any, last
    while True:
        last = load32(&cpu.m.control.cpus_working) == 0  # before the look: what they have left is seen then
        any = False
        for device in range(<uint32_t>cpu.m.geo.devices):
            if not load32(&cpu.m.si[device].flags) & SWP_PAGE_DISCARD:
                continue
            point(cpu, &cpu.m.si[device].discard_work, WRITES)
            if xchg32(&cpu.m.si[device].discard_work, 0):
                swap_do_scheduled_discard(cpu, &cpu.m.si[device])
                any = True
        if not any:
            if last:
                return
            cpu.park_timeout(DISCARDER_IDLE_NS, WAIT_DEVICE)
