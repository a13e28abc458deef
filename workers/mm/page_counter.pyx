"""A charge goes up to the root, or nowhere. The usage runs ahead of its check, so that two CPUs cannot both fit by one."""
from libc.stdint cimport int64_t, uint32_t

from shm.atomic cimport add_i64, load_i64
from shm.memcg cimport page_counter
from workers.cpu cimport ADDS, WRITES, Cpu, point


cdef void cancel(Cpu cpu, uint32_t memcg, uint32_t end, int which, int64_t nr) noexcept nogil:
    """Give back what was charged from `memcg` up to the ancestor below `end`. Context: none."""
    cdef page_counter *counter
    while memcg != end:
        counter = counter_of(cpu, memcg, which)
        point(cpu, &counter.usage, ADDS)
        add_i64(&counter.usage, -nr)
        memcg = parent_mem_cgroup(cpu, memcg)


cdef bint fits_in_any_case(Cpu cpu, page_counter *counter) noexcept nogil:
    """Whether all memory and all slots together are within its limit, so that charges commute. Context: none."""
    return load_i64(&counter.max) >= <int64_t>(cpu.m.geo.folios + cpu.m.geo.slots * cpu.m.geo.devices)


cdef bint page_counter_try_charge(Cpu cpu, uint32_t memcg, int which, int64_t nr, uint32_t *over) noexcept nogil:
    """`nr` pages to the memcg and all above it. False: nothing is charged, and `over` is whose limit forbids it.

    Context: no lock needed.
    """
    cdef uint32_t at = memcg
    cdef page_counter *counter
    while at:
        counter = counter_of(cpu, at, which)
        point(cpu, &counter.usage, ADDS if fits_in_any_case(cpu, counter) else WRITES)
        if add_i64(&counter.usage, nr) > load_i64(&counter.max):
            add_i64(&counter.usage, -nr)
            cancel(cpu, memcg, at, which, nr)
            over[0] = at
            return False
        at = parent_mem_cgroup(cpu, at)
    return True


cdef void page_counter_charge(Cpu cpu, uint32_t memcg, int which, int64_t nr) noexcept nogil:
    """As page_counter_try_charge, whatever the limits say. Context: no lock needed."""
    cancel(cpu, memcg, 0, which, -nr)


cdef void page_counter_uncharge(Cpu cpu, uint32_t memcg, int which, int64_t nr) noexcept nogil:
    """Give `nr` pages back, here and all the way up. Context: no lock needed."""
    cancel(cpu, memcg, 0, which, nr)
