"""swap_info_struct: one swap device (kernel: include/linux/swap.h), and the requests that a disk works on."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from shm.cluster cimport NR_CLUSTER_LISTS, cluster_list
from shm.lock cimport lock_t

cdef enum:  # swap_flag
    SWP_USED = 0x1
    SWP_WRITEOK = 0x2
    SWP_SYNCHRONOUS_IO = 0x1000

cdef enum:
    SWAP_ADDRESS_SPACE_SHIFT = 14  # slots under one i_pages lock, up to 6.17
    MAX_SWAPFILES = 2

cdef struct swap_info_struct:
    lock_t lock
    # read without the lock:
    uint32_t flags
    uint32_t dead  # percpu_ref_kill has been called: no new user
    int64_t inuse_pages
    # set at format:
    uint32_t type
    uint32_t max  # slots, the header of the device included
    uint32_t pages  # usable slots
    uint32_t nr_clusters
    uint64_t first_slot  # where its bytes begin in the arrays over all devices
    # si->lock must be held:
    cluster_list lists[NR_CLUSTER_LISTS]
    # counted without a lock, guesses only (kernel: swapin_nr_pages):
    uint32_t readahead_hits
    uint32_t readahead_prev
    uint32_t readahead_window
    uint32_t pad0
    uint64_t pad[7]
    lock_t cont_lock  # the lists of continuation pages, whose page of the map several clusters share

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
    uint64_t pad[2]
