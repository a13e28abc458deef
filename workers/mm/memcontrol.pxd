"""Charges to memory cgroups (kernel: mm/memcontrol.c, mm/memcontrol-v1.c, mm/swap_cgroup.c, mm/workingset.c)."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from shm.atomic cimport add_i64, load16, load32
from shm.memcg cimport CSS_ONLINE
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from shm.vmstat cimport NR_SWAPCACHE
from workers.cpu cimport READS, Cpu, gauge, point
from workers.mm.protocol cimport Protocol

cdef int mem_cgroup_charge(Cpu cpu, uint32_t pfn, uint32_t memcg) noexcept nogil
cdef int mem_cgroup_swapin_charge_folio(Cpu cpu, uint32_t pfn, uint32_t current, swp_entry_t entry) noexcept nogil
cdef void mem_cgroup_uncharge(Cpu cpu, uint32_t pfn) noexcept nogil
cdef int mem_cgroup_try_charge_swap(Cpu cpu, Protocol p, uint32_t pfn, swp_entry_t entry) noexcept nogil
cdef void mem_cgroup_uncharge_swap(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef void memcg1_swapout(Cpu cpu, Protocol p, uint32_t pfn, swp_entry_t entry) noexcept nogil
cdef void memcg1_swapin(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef uint64_t workingset_eviction(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void workingset_refault(Cpu cpu, uint32_t pfn, uint64_t shadow) noexcept nogil

cdef int64_t mem_cgroup_get_nr_swap_pages(Cpu cpu, uint32_t memcg) noexcept nogil
cdef bint mem_cgroup_is_descendant(Cpu cpu, uint32_t memcg, uint32_t root) noexcept nogil
cdef uint32_t mem_cgroup_iter(Cpu cpu, uint32_t root) noexcept nogil
cdef bint css_join(Cpu cpu, uint32_t memcg) noexcept nogil
cdef void css_leave(Cpu cpu, uint32_t memcg) noexcept nogil
cdef void mem_cgroup_id_put(Cpu cpu, uint32_t memcg, int64_t nr) noexcept nogil

cdef inline uint64_t slot_of(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Index of a slot in the arrays over all devices. Context: none."""
    return swp_type(entry) * cpu.m.geo.slots + swp_offset(entry)

cdef inline uint16_t lookup_swap_cgroup_id(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Whom the slot is charged to, 0: nobody. Context: a look; the slot pinned by whoever acts on it."""
    point(cpu, &cpu.m.swap_cgroup[slot_of(cpu, entry)], READS)
    return load16(&cpu.m.swap_cgroup[slot_of(cpu, entry)])

cdef inline bint mem_cgroup_online(Cpu cpu, uint32_t memcg) noexcept nogil:
    """Whether it has not been removed. Context: a look."""
    point(cpu, &cpu.m.memcgs[memcg].css, READS)
    return (load32(&cpu.m.memcgs[memcg].css) & CSS_ONLINE) != 0

cdef inline void mod_swapcache_stat(Cpu cpu, uint32_t pfn, int64_t nr) noexcept nogil:
    """NR_SWAPCACHE, of all and of whom the folio is charged to just now; without a charge of all alone.

    Context: folio locked (kernel: lruvec_stat_mod_folio).
    """
    cdef uint32_t memcg = load32(&cpu.m.folios[pfn].memcg)
    gauge(cpu, NR_SWAPCACHE, nr)
    if memcg:
        add_i64(&cpu.m.memcgs[memcg].swapcached, nr)
