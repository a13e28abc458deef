"""munmap takes its VMAs away with mmap_lock held for writing, and their pages with it held for reading: faults of other
pages, swapoff and advice go on beside that, and find no VMA there, while reclaim still finds the PTEs by anon_vma. mmap
with MAP_FIXED has mmap_lock for writing until the pages that lay there have gone."""
from libc.stdint cimport uint32_t

from shm.vmstat cimport EV_MMAPS, EV_MUNMAPS, EV_OPERATIONS
from workers.cpu cimport Cpu, count
from workers.mm.filemap cimport mmap_read_unlock, mmap_write_downgrade, mmap_write_lock, mmap_write_unlock
from workers.mm.vma cimport vma_set
from workers.operations.fork_exit cimport zap_range
from workers.mm.protocol cimport Protocol


cdef void munmap(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """munmap of pages [first, end), of which no VMA need have any. Context: mm_users held, no lock; takes mmap_lock,
    page-table locks; sleeps."""
    count(cpu, EV_OPERATIONS)
    count(cpu, EV_MUNMAPS)
    mmap_write_lock(cpu, mm)
    if vma_set(cpu, mm, first, end, False) == 0:
        mmap_write_unlock(cpu, mm)
        return
    mmap_write_downgrade(cpu, mm)
    zap_range(cpu, p, mm, first, end)
    mmap_read_unlock(cpu, mm)


cdef void mmap_fixed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """mmap of pages [first, end), anonymous and MAP_FIXED: empty ones come in place of those that are there. Context: as
    munmap."""
    count(cpu, EV_OPERATIONS)
    count(cpu, EV_MMAPS)
    mmap_write_lock(cpu, mm)
    zap_range(cpu, p, mm, first, end)
    vma_set(cpu, mm, first, end, True)
    mmap_write_unlock(cpu, mm)
