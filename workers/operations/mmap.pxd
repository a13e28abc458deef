"""munmap and mmap (kernel: mm/vma.c vms_complete_munmap_vmas, mmap_region; 6.6: mm/mmap.c do_vmi_align_munmap)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef void munmap(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
cdef void mmap_fixed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
