"""The second seam: what each version of the kernel does in its own way, step by step.

`Cpu` (workers/cpu.pxd) is the machine below mm; `Protocol` is the version of the kernel beside it. The classes that
implement it are in workers/protocols, one file each, with their methods in the order that stands here.
"""
from libc.stdint cimport uint32_t, uint64_t
from shm.cluster cimport swap_cluster_info
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu

cdef enum:  # who inserts a folio in the swap cache
    ADD_SWAPIN = 0  # a swap-in: the slot must have a reference
    ADD_ALLOC = 1  # the allocator, which has just taken the slot

cdef enum:  # what a swap-in came to
    SWAPIN_FOLIO = 0  # vm_fault.folio is to be locked and mapped
    SWAPIN_READAHEAD = 1  # not this way: through the readahead of the device
    SWAPIN_REFAULT = 2  # lost a race: the fault is to be taken again
    SWAPIN_OOM = 3  # no folio, or the charge failed

cdef enum:  # why __try_to_reclaim_swap is called
    TTRS_ANYWAY = 1
    TTRS_UNMAPPED = 2
    TTRS_FULL = 4

cdef enum:  # who pins a device
    PIN_FAULT = 0
    PIN_ZAP = 1
    PIN_READ = 2  # who reads ahead on advice, or moves an entry
    PIN_ZSWAP = 3  # who writes an entry of zswap back
    PIN_READAHEAD = 4  # a fault that reads ahead from another device than its own

cdef struct vm_fault:
    uint32_t mm
    uint32_t page
    uint32_t memcg  # of the mm
    bint write
    uint64_t orig_pte
    swp_entry_t entry
    uint32_t folio
    bint fresh  # this fault started the read
    bint bypass  # up to 6.19: the folio is private to this fault, and not in the swap cache
    bint claimed  # up to 6.19: the bypass holds SWAP_HAS_CACHE of claim_nr slots, which fault_done clears
    swp_entry_t claim
    uint32_t claim_nr
    uint64_t failures  # allocations and charges that had failed, and
    uint32_t generation  # how often the slot had been freed, when the fault began: for law L7
    uint64_t orders  # of folios that it may bring in beside single pages
    uint32_t order  # of a file's entry: the folio that it may bring in instead of a single page
    # what is mapped in the end:
    uint32_t first  # page
    uint32_t nr
    uint32_t subpage  # of the folio
    swp_entry_t start  # slot of the first page
    bint spurious  # nobody lacked memory: a large folio could not be put in the swap cache

cdef class Protocol:
    cdef readonly str name
    cdef readonly bint i_pages  # words of the swap cache are guarded by i_pages locks, not by cluster locks
    cdef readonly int slot_format  # shm/swap_map.pxd
    cdef readonly bint discards_in_scan  # an allocation discards with its local lock held; in the museum alone
    cdef readonly bint map_shmem  # slots of files have the byte SWAP_MAP_SHMEM, and no count
    cdef readonly bint lazyfree_shared  # MADV_FREE takes clean pages of several mms as well (docs/emulation.md)
    cdef readonly bint zeromap  # the version keeps a map of slots whose page is all zeroes (6.12 and later)
    cdef readonly bint charges_first  # readahead charges a folio before it puts it in the swap cache (7.1)

    # a device
    cdef bint pin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil
    cdef void unpin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil

    # one slot, its cluster locked
    cdef int swap_dup_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil
    cdef void swap_put_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil
    cdef void swap_put_cache_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil
    cdef int swap_count_alloc(self, Cpu cpu, swp_entry_t entry) noexcept nogil
    cdef void cont_lock(self, Cpu cpu, swp_entry_t entry) noexcept nogil
    cdef void cont_unlock(self, Cpu cpu, swp_entry_t entry) noexcept nogil
    cdef bint cluster_alloc_range(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry, uint32_t pfn, uint32_t nr) noexcept nogil

    # the swap cache
    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil
    cdef void swap_cache_del_folio(self, Cpu cpu, uint32_t pfn) noexcept nogil
    cdef void leave_unlock(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh, bint skip_if_exists) noexcept nogil
    cdef uint32_t prepare_and_add(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint32_t memcg, bint charged, bint skip_if_exists) noexcept nogil
    cdef bint zswap_still_stored(self, Cpu cpu, swp_entry_t entry, uint32_t index) noexcept nogil

    # a fault
    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil
    cdef bint should_try_to_free_swap(self, Cpu cpu, vm_fault *vmf, int extra_refs) noexcept nogil
    cdef void map_swapped_in(self, Cpu cpu, vm_fault *vmf) noexcept nogil
    cdef void fault_unmapped(self, Cpu cpu, vm_fault *vmf) noexcept nogil
    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil

    # reclaim, fork, swapoff, move
    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil
    cdef swp_entry_t split_entry(self, Cpu cpu, uint32_t pfn, uint32_t page) noexcept nogil
    cdef uint32_t recorded_memcg(self, Cpu cpu, uint32_t memcg, uint32_t swap_memcg) noexcept nogil
    cdef bint remove_mapping(self, Cpu cpu, uint32_t pfn) noexcept nogil
    cdef void swap_cache_evict(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil
    cdef void mmlist_fork(self, Cpu cpu, uint32_t parent, uint32_t child) noexcept nogil
    cdef bint unuse_wants(self, Cpu cpu, uint64_t pte, uint32_t device) noexcept nogil
    cdef bint move_matches(self, Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil

    # a file of tmpfs
    cdef void shmem_dup_swap(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
    cdef void shmem_leave_page_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil
    cdef int shmem_swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil
    cdef void shmem_put_swap(self, Cpu cpu, vm_fault *vmf, bint dirty) noexcept nogil
    cdef void shmem_swapin_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil
    cdef bint shmem_order_fits(self, Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil
    cdef uint32_t shmem_freed_order(self, Cpu cpu, uint64_t seen, uint64_t word) noexcept nogil

    # who lets go
    cdef bint folio_free_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil
    cdef bint drop_unused_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil
    cdef int try_to_reclaim_swap(self, Cpu cpu, swp_entry_t entry, int flags) noexcept nogil
    cdef void free_swap_and_cache(self, Cpu cpu, swp_entry_t entry) noexcept nogil
