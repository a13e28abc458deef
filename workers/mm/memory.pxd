"""What a swap-in does to memory in every version (kernel: mm/memory.c, do_swap_page)."""
from libc.stdint cimport uint32_t, uint64_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport vm_fault

cdef uint32_t alloc_swap_folio(Cpu cpu) noexcept nogil
cdef uint32_t alloc_charged_folio(Cpu cpu, uint32_t memcg, swp_entry_t entry) noexcept nogil
cdef bint none_in_cache(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
cdef uint32_t alloc_large_charged_folio(Cpu cpu, uint32_t order, uint32_t memcg, swp_entry_t entry) noexcept nogil
cdef uint32_t alloc_swapin_folio(Cpu cpu, vm_fault *vmf, uint64_t orders) noexcept nogil
cdef void bypass_done(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_becomes_anon(Cpu cpu, vm_fault *vmf) noexcept nogil
cdef void folio_swapped_in(Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil
cdef void map_one(vm_fault *vmf, uint32_t subpage) noexcept nogil
cdef void put_locked_folio(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void read_bypass(Cpu cpu, vm_fault *vmf, uint32_t own, swp_entry_t entry) noexcept nogil
cdef void set_present(Cpu cpu, vm_fault *vmf) noexcept nogil
cdef bint slot_in_cache(Cpu cpu, swp_entry_t entry) noexcept nogil
