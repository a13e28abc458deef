"""First touch and copy on write (kernel: mm/memory.c, do_anonymous_page, do_wp_page)."""
from libc.stdint cimport uint32_t, uint64_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol, vm_fault

cdef int do_anonymous_page(Cpu cpu, vm_fault *vmf) noexcept nogil
cdef int do_wp_page(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil

cdef inline uint64_t page_identity(Cpu cpu, uint32_t mm, uint32_t page) noexcept nogil:
    """Whose page it is: the same for all mms that forked from one another, and never 0. Context: mm_users held."""
    return (<uint64_t>(cpu.m.mms[mm].anon_vma + 1) << 32) | page
