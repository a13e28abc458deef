"""swap_info_struct: one swap device (kernel: include/linux/swap.h), and the requests that a disk works on."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from shm.atomic cimport load_i64
from shm.cluster cimport NR_CLUSTER_LISTS, SWAP_NR_ORDERS, cluster_list
from shm.lock cimport lock_t

cdef enum:  # swap_flag
    SWP_USED = 0x1
    SWP_WRITEOK = 0x2
    SWP_SOLIDSTATE = 0x10
    SWP_PAGE_DISCARD = 0x400
    SWP_SYNCHRONOUS_IO = 0x1000

cdef enum:
    SWAP_ADDRESS_SPACE_SHIFT = 14  # slots under one i_pages lock, up to 6.17
    MAX_SWAPFILES = 4
    SWAP_USAGE_OFFLIST_BIT = 1 << 30  # of inuse_pages: the device is not on the list of available ones

cdef struct swap_info_struct:
    lock_t lock
    # read without the lock:
    uint32_t flags  # WRITEOK changes under si->lock and swap_avail_lock
    uint32_t dead  # percpu_ref_kill has been called: no new user
    int64_t inuse_pages  # and SWAP_USAGE_OFFLIST_BIT, which changes under swap_avail_lock
    # set at format:
    uint32_t type
    uint32_t max  # slots, the header of the device included
    uint32_t pages  # usable slots
    uint32_t nr_clusters
    uint64_t first_slot  # where its bytes begin in the arrays over all devices
    int32_t prio  # the highest is asked first; equal ones in turn
    # counted without a lock, guesses only (kernel: swapin_nr_pages):
    uint32_t readahead_hits
    uint32_t readahead_prev
    uint32_t readahead_window
    # set at format:
    uint64_t discard_ns  # what the discard of a cluster takes
    # si->lock must be held:
    cluster_list lists[NR_CLUSTER_LISTS]  # by cluster_list_of
    lock_t cont_lock  # the lists of continuation pages, whose page of the map several clusters share
    lock_t global_cluster_lock
    # global_cluster_lock must be held:
    uint32_t global_next[SWAP_NR_ORDERS]  # of a rotating device, for all CPUs: the offset to try next, 0: none
    # set at format:
    uint32_t worker  # CPU that discards clusters
    # atomic:
    uint32_t discard_work  # 1: clusters wait for it
    # si->lock must be held:
    uint32_t discarding  # CPUs that have taken a cluster off the list to discard it
    uint32_t pad1[3]

cdef struct swap_avail_t:  # the devices that allocation may ask (kernel: swap_avail_head)
    lock_t lock
    # swap_avail_lock must be held:
    uint32_t nr
    uint32_t device[MAX_SWAPFILES]  # by falling priority; of equal ones first who has waited longest
    uint32_t pad[11]

cdef struct io_request:
    uint64_t deadline_ns
    uint64_t entry
    uint32_t pfn
    uint32_t write

cdef struct device_t:
    lock_t lock
    # device->lock must be held:
    uint32_t head  # requests are completed in the order of their deadlines, which is the order of arrival
    uint32_t tail
    uint32_t sleeping  # the device CPU waits for an arrival
    uint32_t in_flight
    # set at format:
    uint32_t capacity  # of the ring: a folio has one request at most
    uint32_t queue_depth
    uint64_t read_ns
    uint64_t write_ns
    # block store (zram: a page has memory from its first write to its free notification):
    uint64_t free_blocks  # tagged head of the stack: tag << 32 | index + 1
    uint32_t cpu  # set at format: of a disk, the CPU that completes its requests
    uint32_t pad0
    uint64_t pad

cdef inline int64_t swap_usage_in_pages(swap_info_struct *si) noexcept nogil:
    """Slots in use, whether or not the device is on the list of available ones."""
    return load_i64(&si.inuse_pages) & (SWAP_USAGE_OFFLIST_BIT - 1)
