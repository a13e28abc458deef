"""A CPU that is a stack of its own in one thread: every primitive is a scheduling point."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from shm.lock cimport lock_t
from workers.cpu cimport Cpu
from workers.executors.execution cimport Execution

# Laws where a lock is about to be released, or a step has warned: called on the CPU's stack; False breaks the execution off.
ctypedef bint (*cluster_check)(void *judge, Cpu cpu, uint32_t device, uint64_t cluster) noexcept nogil
ctypedef bint (*folio_check)(void *judge, Cpu cpu, uint32_t pfn) noexcept nogil
ctypedef bint (*page_check)(void *judge, Cpu cpu, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil
ctypedef bint (*warning_check)(void *judge, Cpu cpu, int warning) noexcept nogil

cdef struct checks_t:
    cluster_check at_cluster
    folio_check at_folio
    page_check at_pages
    warning_check at_warning

@cython.final
cdef class CooperativeCpu(Cpu):
    cdef Execution execution
    cdef const checks_t *checks  # NULL: none
    cdef void *judge  # borrowed: first argument of the checks
    cdef bint recycled  # warned of WARN_SLOT_RECYCLED, and not judged yet
    cdef bint delayed_stores  # whether an unlock or a store_delayable64 may be kept back
    cdef uint64_t *late  # what is kept back; NULL: nothing
    cdef uint64_t late_value
    cdef uint32_t late_bytes
    cdef int late_kind  # STEP_ATOMIC, of an unlock STEP_RELEASE
    cdef void mark(self, lock_t *l) noexcept nogil
    cdef void acquire(self, lock_t *l) noexcept nogil
    cdef bint sleep(self, uint64_t due_ns, int cause) noexcept nogil
    cdef void keep_back(self, uint64_t *word, uint64_t value, uint32_t bytes, int kind) noexcept nogil
    cdef void show_store(self) noexcept nogil
    cdef void forget(self) noexcept nogil
