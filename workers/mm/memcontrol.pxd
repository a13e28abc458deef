"""Charges to memory cgroups (kernel: mm/memcontrol.c, mm/memcontrol-v1.c, mm/swap_cgroup.c)."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from shm.atomic cimport load16
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from workers.cpu cimport Cpu

cdef int mem_cgroup_charge(Cpu cpu, uint32_t pfn, uint32_t memcg) noexcept nogil
cdef int mem_cgroup_swapin_charge_folio(Cpu cpu, uint32_t pfn, uint32_t current, swp_entry_t entry) noexcept nogil
cdef void mem_cgroup_uncharge(Cpu cpu, uint32_t pfn) noexcept nogil
cdef int mem_cgroup_try_charge_swap(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
cdef void mem_cgroup_uncharge_swap(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef void memcg1_swapout(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
cdef void memcg1_swapin(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef uint64_t workingset_eviction(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void workingset_refault(Cpu cpu, uint32_t pfn, uint64_t shadow) noexcept nogil

cdef inline uint64_t slot_of(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Index of a slot in the arrays over all devices. Context: none."""
    return swp_type(entry) * cpu.m.geo.slots + swp_offset(entry)

cdef inline uint16_t lookup_swap_cgroup_id(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Whom the slot is charged to, 0: nobody. Context: a look; the slot pinned by whoever acts on it."""
    return load16(&cpu.m.swap_cgroup[slot_of(cpu, entry)])
