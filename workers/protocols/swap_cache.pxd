from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.base cimport Base

cdef class SwapCache(Base):
    cdef void swap_pin_cache_locked(self, Cpu cpu, swp_entry_t entry) noexcept nogil
