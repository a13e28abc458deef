"""A cluster changes list under its own lock and, nested in it, si->lock. Isolation goes the other way by trylock only."""
from libc.stdint cimport uint32_t

from shm.atomic cimport load32, store32, xchg32
from shm.cluster cimport (
    CLUSTER_FLAG_DISCARD, CLUSTER_FLAG_FRAG, CLUSTER_FLAG_FREE, CLUSTER_FLAG_FULL, CLUSTER_FLAG_NONE, CLUSTER_NIL,
    cluster_list, cluster_list_of, swap_cluster_info,
)
from shm.inject cimport INJECT_TABLE_ALLOC
from shm.layout cimport cluster_of, table_of
from shm.swap_table cimport SWP_TB_NULL, swap_table_set
from shm.swapfile cimport SWP_PAGE_DISCARD, SWP_WRITEOK, swap_info_struct
from workers.cpu cimport WRITES, Cpu, injected, point
from workers.mm.page_alloc cimport stack_pop, stack_push


cdef void list_del(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil:
    """Context: si->lock held, and the cluster lock but for an empty DISCARD cluster."""
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, device, index)
    cdef cluster_list *lst = &cpu.m.si[device].lists[cluster_list_of(ci.flags, ci.order)]
    if ci.prev == CLUSTER_NIL:
        lst.head = ci.next
    else:
        cluster_of(&cpu.m, device, ci.prev).next = ci.next
    if ci.next == CLUSTER_NIL:
        lst.tail = ci.prev
    else:
        cluster_of(&cpu.m, device, ci.next).prev = ci.prev
    store32(&lst.nr, lst.nr - 1)


cdef void list_add_tail(Cpu cpu, uint32_t device, uint32_t index, uint32_t flag) noexcept nogil:
    """Context: cluster lock and si->lock held; the cluster is on no list."""
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, device, index)
    cdef cluster_list *lst = &cpu.m.si[device].lists[cluster_list_of(flag, ci.order)]
    ci.flags = flag
    ci.owner = 0
    ci.prev = lst.tail
    ci.next = CLUSTER_NIL
    if lst.tail == CLUSTER_NIL:
        lst.head = index
    else:
        cluster_of(&cpu.m, device, lst.tail).next = index
    lst.tail = index
    store32(&lst.nr, lst.nr + 1)


cdef void move_cluster(Cpu cpu, uint32_t device, uint32_t index, uint32_t flag) noexcept nogil:
    """To the tail of the list of that flag and of the cluster's order. Context: cluster lock held; takes si->lock."""
    cdef swap_info_struct *si = &cpu.m.si[device]
    cpu.lock(&si.lock)
    if cluster_of(&cpu.m, device, index).flags != CLUSTER_FLAG_NONE:
        list_del(cpu, device, index)
    list_add_tail(cpu, device, index, flag)
    cpu.unlock(&si.lock)


cdef uint32_t isolate_lock_cluster(Cpu cpu, uint32_t device, uint32_t flag, uint32_t order) noexcept nogil:
    """Take the first cluster of a list whose lock is free: off the list (NONE), locked. Its index, or CLUSTER_NIL.

    Context: takes si->lock, then cluster locks by trylock only; returns with the cluster lock held.
    """
    cdef swap_info_struct *si = &cpu.m.si[device]
    cdef cluster_list *lst = &si.lists[cluster_list_of(flag, order)]
    cdef uint32_t index
    cdef swap_cluster_info *ci
    if load32(&lst.nr) == 0:
        return CLUSTER_NIL
    cpu.lock(&si.lock)
    index = lst.head
    while index != CLUSTER_NIL:
        ci = cluster_of(&cpu.m, device, index)
        if cpu.trylock(&ci.lock):
            list_del(cpu, device, index)
            ci.flags = CLUSTER_FLAG_NONE
            ci.owner = cpu.id + 1
            break
        index = ci.next
    cpu.unlock(&si.lock)
    return index


cdef uint32_t take_table(Cpu cpu) noexcept nogil:
    """A swap table of NULL words, index + 1; 0: none is to be had. Context: none."""
    cdef uint32_t table, off
    if injected(cpu, INJECT_TABLE_ALLOC):
        return 0
    table = stack_pop(cpu, cpu.m.tables_head, cpu.m.table_next)
    if table:
        for off in range(<uint32_t>cpu.m.geo.cluster_slots):
            swap_table_set(table_of(&cpu.m, table), off, SWP_TB_NULL)
    return table


cdef void give_table(Cpu cpu, uint32_t table) noexcept nogil:
    """Context: nobody has the table; a lookup may still read it, and checks what it has found."""
    stack_push(cpu, cpu.m.tables_head, cpu.m.table_next, table)


cdef void release_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil:
    """Nothing is left of it: the table goes back, the cluster on the free list. Context: cluster lock held; takes si->lock.

    A lookup may still read the table: it checks what it found, and that the table is still the cluster's.
    """
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, device, index)
    cdef uint32_t table = load32(&ci.table)
    if table:
        store32(&ci.table, 0)
        give_table(cpu, table)
    move_cluster(cpu, device, index, CLUSTER_FLAG_FREE)
    ci.order = 0


cdef void free_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil:
    """Its last slot is free: on the free list, or first to be discarded. Context: cluster lock held; takes si->lock."""
    cdef swap_info_struct *si = &cpu.m.si[device]
    if load32(&si.flags) & (SWP_WRITEOK | SWP_PAGE_DISCARD) != (SWP_WRITEOK | SWP_PAGE_DISCARD):
        release_cluster(cpu, device, index)
        return
    move_cluster(cpu, device, index, CLUSTER_FLAG_DISCARD)
    point(cpu, &si.discard_work, WRITES)
    if xchg32(&si.discard_work, 1) == 0:
        cpu.wake(si.worker)


cdef void relocate_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil:
    """After a scan: on the list that its count asks for. Context: cluster lock held."""
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, device, index)
    if ci.flags == CLUSTER_FLAG_DISCARD:
        return
    if ci.count == 0:
        if ci.flags != CLUSTER_FLAG_FREE:
            free_cluster(cpu, device, index)
    elif ci.count == cpu.m.geo.cluster_slots:
        if ci.flags != CLUSTER_FLAG_FULL:
            move_cluster(cpu, device, index, CLUSTER_FLAG_FULL)
    elif ci.flags != CLUSTER_FLAG_FRAG:
        move_cluster(cpu, device, index, CLUSTER_FLAG_FRAG)
