"""A memcg that is removed keeps what it was charged for until the pages are gone: its folios stay its own, and so do the
slots that its id stands on. What is swapped out later is its ancestor's, once no slot keeps the id."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport cas32, cas64, load32, load_i64, store32
from shm.memcg cimport CSS_ONLINE, NR_COUNTERS, mem_cgroup
from workers.cpu cimport READS, WRITES, Cpu, point
from workers.mm.errno cimport EBUSY, ENODEV
from workers.mm.filemap cimport mmap_write_lock, mmap_write_unlock
from workers.mm.memcontrol cimport css_join, css_leave, mem_cgroup_id_put
from workers.mm.page_counter cimport counter_of, parent_mem_cgroup


cdef int mem_cgroup_css_offline(Cpu cpu, uint32_t memcg) noexcept nogil:
    """rmdir of a memcg below another one. 0, -EBUSY: mms or online children are in it, or it has no parent to be heir to
    its charges, -ENODEV: it is gone already.

    Context: no lock held.
    """
    cdef uint32_t *css = &cpu.m.memcgs[memcg].css
    if parent_mem_cgroup(cpu, memcg) == 0:
        return EBUSY
    point(cpu, css, WRITES)
    if not load32(css) & CSS_ONLINE:
        return ENODEV
    if not cas32(css, CSS_ONLINE, 0):
        return EBUSY
    mem_cgroup_id_put(cpu, memcg, 1)
    css_leave(cpu, parent_mem_cgroup(cpu, memcg))
    return 0


cdef bint charged(Cpu cpu, uint32_t memcg) noexcept nogil:
    """Whether something still is the memcg's. Context: it is offline, so that nothing new comes."""
    cdef int which
    for which in range(NR_COUNTERS):
        point(cpu, counter_of(cpu, memcg, which), READS)
        if load_i64(&counter_of(cpu, memcg, which).usage) != 0:
            return True
    return False


cdef int mem_cgroup_css_online(Cpu cpu, uint32_t memcg) noexcept nogil:
    """mkdir: a memcg under the number of one that has gone, whose statistics go on. 0, -EBUSY: there is one, or something is still charged to
    the old one, -ENODEV: its parent is gone.

    Context: no lock held.
    """
    cdef mem_cgroup *cg = &cpu.m.memcgs[memcg]
    cdef uint32_t parent = parent_mem_cgroup(cpu, memcg)
    if not css_join(cpu, parent):
        return ENODEV
    point(cpu, &cg.id_refs, WRITES)
    if load32(&cg.css) & CSS_ONLINE or charged(cpu, memcg) or not cas64(<uint64_t *>&cg.id_refs, 0, 1):
        css_leave(cpu, parent)
        return EBUSY
    point(cpu, &cg.css, WRITES)
    store32(&cg.css, CSS_ONLINE)
    return 0


cdef int cgroup_attach_mm(Cpu cpu, uint32_t mm, uint32_t memcg) noexcept nogil:
    """Move an mm to another memcg; what it was charged stays with the old one. 0, -ENODEV: that memcg is gone.

    Context: mm_users held; takes mmap_lock for writing, against fork; sleeps.
    """
    cdef uint32_t old
    if not css_join(cpu, memcg):
        return ENODEV
    mmap_write_lock(cpu, mm)
    old = cpu.m.mms[mm].memcg
    point(cpu, &cpu.m.mms[mm].memcg, WRITES)
    store32(&cpu.m.mms[mm].memcg, memcg)
    mmap_write_unlock(cpu, mm)
    css_leave(cpu, old)
    return 0
