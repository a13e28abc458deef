"""The folio lock and the wait queues (kernel: mm/filemap.c). Who unlocks hands the lock to the first waiter."""
from libc.stdint cimport uint32_t, uint64_t
from workers.cpu cimport Cpu

cdef void folio_lock(Cpu cpu, uint32_t pfn, int cause) noexcept nogil
cdef bint folio_trylock(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_unlock(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_lock_new(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_lock_to_io(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_lock_from_io(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_wait_locked(Cpu cpu, uint32_t pfn, int cause) noexcept nogil
cdef void folio_wait_writeback(Cpu cpu, uint32_t pfn, int cause) noexcept nogil
cdef void folio_end_writeback(Cpu cpu, uint32_t pfn) noexcept nogil
cdef bint wait_event_tick(Cpu cpu, void *address, uint64_t ns, int cause) noexcept nogil
cdef void wake_event(Cpu cpu, void *address) noexcept nogil
cdef void swapcache_wait(Cpu cpu) noexcept nogil
cdef void swapcache_wake(Cpu cpu) noexcept nogil
cdef void mmap_read_lock(Cpu cpu, uint32_t mm) noexcept nogil
cdef void mmap_read_unlock(Cpu cpu, uint32_t mm) noexcept nogil
cdef void mmap_write_lock(Cpu cpu, uint32_t mm) noexcept nogil
cdef void mmap_write_downgrade(Cpu cpu, uint32_t mm) noexcept nogil
cdef void mmap_write_unlock(Cpu cpu, uint32_t mm) noexcept nogil
