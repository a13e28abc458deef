"""The page cache of a file of tmpfs, and how its folios leave it for swap (kernel: mm/shmem.c)."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from shm.atomic cimport load64
from shm.layout cimport mapping_of
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport READS, Cpu, point
from workers.mm.protocol cimport Protocol, vm_fault

cdef uint32_t filemap_get_entry(Cpu cpu, uint32_t inode, uint32_t page, uint64_t *word) noexcept nogil
cdef int shmem_add_to_page_cache(Cpu cpu, uint32_t pfn, uint32_t inode, uint32_t page, uint64_t expected) noexcept nogil
cdef void shmem_delete_from_page_cache(Cpu cpu, uint32_t pfn, uint64_t word) noexcept nogil
cdef bint range_holds(Cpu cpu, uint32_t inode, uint32_t page, uint32_t nr, uint64_t expected) noexcept nogil
cdef void shmem_store(Cpu cpu, uint32_t inode, uint32_t page, uint32_t nr, uint64_t word) noexcept nogil
cdef int shmem_split_large_entry(Cpu cpu, uint32_t inode, uint32_t page, swp_entry_t entry) noexcept nogil
cdef void shmem_recalc_inode(Cpu cpu, uint32_t inode, int32_t swapped) noexcept nogil
cdef bint shmem_must_visit(Cpu cpu, uint32_t inode) noexcept nogil
cdef uint32_t shmem_alloc_large_folio(Cpu cpu, vm_fault *vmf) noexcept nogil
cdef int shmem_swap_alloc_folio(Cpu cpu, vm_fault *vmf) noexcept nogil
cdef int shmem_writeout(Cpu cpu, Protocol p, uint32_t pfn, bint *split) noexcept nogil

cdef inline uint64_t mapping_word(Cpu cpu, uint32_t inode, uint32_t page) noexcept nogil:
    """What the mapping holds there. Context: a look, to be verified under the folio lock or i_pages."""
    point(cpu, &mapping_of(&cpu.m, inode)[page], READS)
    return load64(&mapping_of(&cpu.m, inode)[page])
