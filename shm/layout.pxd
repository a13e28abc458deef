"""Where each array of a segment begins, and the control words that belong to no structure of the kernel.

Order in memory: header, control, blocks of the CPUs, then all that a cooperative schedule resets (from `resettable` on).
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from shm.cluster cimport swap_cluster_info
from shm.folio cimport folio_nr_pages, folio_t
from shm.inject cimport NR_INJECTIONS
from shm.lock cimport lock_t
from shm.memcg cimport mem_cgroup
from shm.mm cimport anon_vma_t, mm_struct
from shm.percpu cimport percpu_t
from shm.shmem cimport inode_t, word_to_pfn
from shm.swapfile cimport device_t, io_request, swap_avail_t, swap_info_struct
from shm.trace cimport trace_record
from shm.zone cimport MAX_FOLIO_ORDER, zone_t
from shm.zswap cimport zswap_entry, zswap_lru, zswap_pool

cdef enum:
    LAYOUT_VERSION = 5
    HEADER_BYTES = 4096
    NR_WAIT_QUEUES = 64

cdef struct geometry_t:
    uint64_t cpus
    uint64_t devices
    uint64_t slots
    uint64_t cluster_slots
    uint64_t tables
    uint64_t blocks
    uint64_t folios
    uint64_t mms
    uint64_t pages
    uint64_t memcgs
    uint64_t payload_bytes
    uint64_t trace_records
    uint64_t lock_kind
    uint64_t slot_format  # swap_map.pxd: which words count the references of a slot
    uint64_t ext_tables  # SLOTS_TABLE: for counts of 15 and more
    uint64_t cont_pages  # else: for counts of 63 and more
    uint64_t generations  # 1: how often each slot was freed is kept, for the laws P3, T8 and L7
    uint64_t inodes  # files of tmpfs
    uint64_t inode_pages  # of each
    uint64_t zeromap  # 1: a bit of each slot says that its page is all zeroes (6.12 and later)
    uint64_t zswap_pages  # what zswap may keep, 0: there is none
    uint64_t anon_orders  # a bit for each order of anonymous folios beside 0
    uint64_t shmem_orders  # and of those of files

cdef struct control_t:
    # written by the supervisor, read by all:
    uint32_t stop
    uint32_t measuring  # the preparation is over: from here on what the CPUs count is the run's
    # set at format:
    uint32_t use_tsc
    uint32_t hz
    uint64_t cycle_factor  # ns per cycle, 32.32
    uint64_t tick_ns
    uint32_t memcg_version
    uint32_t readahead_pages
    uint32_t lockdep
    uint32_t nr_rotate_swap  # atomic: rotating devices in use
    uint32_t pad0
    uint32_t map_shmem  # slots of files have the byte SWAP_MAP_SHMEM, and no count (up to 6.19)
    # atomic:
    int64_t nr_swap_pages
    int64_t total_swap_pages
    int64_t nr_writeback
    uint32_t cpus_working  # all but the disk's, which serves until they have left
    uint32_t i_pages  # set at format: the swap cache is guarded by i_pages locks (up to 6.17), not by cluster locks
    uint32_t inject_ppm[NR_INJECTIONS]  # written between plays, read by all
    uint32_t swapcache_waiters  # atomic: of the one queue of 6.12 to 6.19

cdef struct wait_queue:
    lock_t lock
    # wait_queue->lock must be held:
    uint32_t head  # CPU + 1, first come first
    uint32_t tail
    uint32_t pad[14]

cdef struct layout_t:
    char *base
    uint64_t size
    geometry_t geo
    control_t *control
    percpu_t *percpu
    uint64_t percpu_stride
    uint64_t resettable
    wait_queue *wait_queues
    lock_t *mmlist_lock
    lock_t *swapon_mutex
    swap_avail_t *swap_avail
    swap_info_struct *si
    device_t *devices
    io_request *requests
    swap_cluster_info *clusters
    uint64_t clusters_per_device
    uint32_t cluster_orders  # orders that a cluster has room for
    lock_t *xa_locks
    uint64_t xa_per_device
    uint64_t *tables_head
    uint32_t *table_next
    uint64_t *tables
    uint64_t *ext_head  # tagged stack of free extend tables
    uint32_t *ext_next
    uint32_t *ext_tables
    uint8_t *swap_map  # SLOTS_TABLE: of no length
    uint64_t map_pages_per_device
    uint64_t cont_page_slots
    uint32_t *cont_heads  # first continuation page of each page of the map
    uint64_t *cont_head  # tagged stack of free continuation pages
    uint32_t *cont_next
    uint8_t *cont_pages
    uint16_t *swap_cgroup
    uint32_t *handles  # zram: block of a slot + 1, 0: none
    uint32_t *block_next
    char *blocks
    zone_t *zone
    folio_t *folios
    char *payloads
    mem_cgroup *memcgs
    anon_vma_t *anon_vmas
    mm_struct *mms
    lock_t *ptls
    uint64_t ptls_per_mm
    uint64_t *ptes
    uint64_t *expected
    uint8_t *unmapped  # a byte a page of an mm, 1: no VMA has it
    uint32_t *generations  # of each slot; then of each folio: that of the slot it was read from or put at
    lock_t *swaplist_lock  # without inodes: of no length
    inode_t *inodes
    uint64_t *mappings
    uint64_t *shmem_expected
    uint32_t *zeromap  # a bit a slot
    zswap_pool *zswap  # without zswap: of no length, and so are its arrays
    zswap_lru *zswap_lrus  # of each memcg
    uint32_t *zswap_tree
    zswap_entry *zswap_entries
    uint32_t *zswap_next
    char *zswap_pages
    trace_record *traces

cdef extern from *:
    int trailing_zeroes "__builtin_ctzll"(unsigned long long word) noexcept nogil

cdef uint64_t layout_end(layout_t *m) noexcept nogil
cdef uint64_t layout_place(layout_t *m, const geometry_t *geo, char *base) noexcept nogil
cdef void layout_attach(layout_t *m, char *base) noexcept nogil

cdef inline percpu_t *percpu_of(layout_t *m, uint32_t cpu) noexcept nogil:
    return <percpu_t *>(<char *>m.percpu + cpu * m.percpu_stride)

cdef inline trace_record *trace_of(layout_t *m, uint32_t cpu) noexcept nogil:
    return &m.traces[cpu * m.geo.trace_records]

cdef inline swap_cluster_info *cluster_of(layout_t *m, uint32_t device, uint64_t index) noexcept nogil:
    return &m.clusters[device * m.clusters_per_device + index]

cdef inline uint64_t cluster_at(layout_t *m, uint64_t offset) noexcept nogil:
    """The cluster of the slot at `offset` of its device: clusters have a power of two of slots."""
    return offset >> trailing_zeroes(m.geo.cluster_slots)

cdef inline uint64_t place_in_cluster(layout_t *m, uint64_t offset) noexcept nogil:
    """Where in its cluster the slot at `offset` lies."""
    return offset & (m.geo.cluster_slots - 1)

cdef inline uint32_t device_of(layout_t *m, uint64_t slot) noexcept nogil:
    """The device of a slot of the arrays over all devices. Of the first one without a division."""
    return 0 if slot < m.geo.slots else <uint32_t>(slot // m.geo.slots)

cdef inline uint64_t offset_of(layout_t *m, uint64_t slot) noexcept nogil:
    """The offset in its device of a slot of the arrays over all devices."""
    return slot if slot < m.geo.slots else slot % m.geo.slots

cdef inline uint64_t *table_of(layout_t *m, uint32_t table) noexcept nogil:
    """Words of the table with index + 1 == table."""
    return &m.tables[(table - 1) * m.geo.cluster_slots]

cdef inline uint32_t *ext_table_of(layout_t *m, uint32_t ext) noexcept nogil:
    """Counts of the extend table with index + 1 == ext."""
    return &m.ext_tables[(ext - 1) * m.geo.cluster_slots]

cdef inline uint8_t *cont_page_of(layout_t *m, uint32_t page) noexcept nogil:
    """Digits of the continuation page with index + 1 == page."""
    return &m.cont_pages[(page - 1) * m.cont_page_slots]

cdef inline uint64_t *ptes_of(layout_t *m, uint32_t mm) noexcept nogil:
    return &m.ptes[mm * m.geo.pages]

cdef inline uint64_t *expected_of(layout_t *m, uint32_t mm) noexcept nogil:
    return &m.expected[mm * m.geo.pages]

cdef inline uint8_t *unmapped_of(layout_t *m, uint32_t mm) noexcept nogil:
    return &m.unmapped[mm * m.geo.pages]

cdef inline lock_t *ptl_of(layout_t *m, uint32_t mm, uint32_t page) noexcept nogil:
    return &m.ptls[mm * m.ptls_per_mm + page // 512]

cdef inline uint32_t *generation_of(layout_t *m, uint64_t slot) noexcept nogil:
    """How often the slot was freed; where geo.generations is set."""
    return &m.generations[slot]

cdef inline uint32_t *read_generation_of(layout_t *m, uint32_t pfn) noexcept nogil:
    """The generation of the slot that a page of memory was read from or put at; where geo.generations is set."""
    return &m.generations[m.geo.devices * m.geo.slots + pfn]

cdef inline bint has_large_folios(layout_t *m) noexcept nogil:
    """Whether folios may have an order above 0, so that free pages are in the blocks of the zone."""
    return (m.geo.anon_orders | m.geo.shmem_orders) != 0

cdef inline uint64_t *mapping_of(layout_t *m, uint32_t inode) noexcept nogil:
    """Words of an inode's mapping."""
    return &m.mappings[inode * m.geo.inode_pages]

cdef inline uint32_t file_page(layout_t *m, uint64_t word, uint64_t page) noexcept nogil:
    """PFN of a page of a file whose word names a folio that exists; that of the folio where it does not reach the page."""
    cdef folio_t *folio = &m.folios[word_to_pfn(word)]
    cdef uint64_t at = page - folio.index
    return word_to_pfn(word) + <uint32_t>at if folio.order <= MAX_FOLIO_ORDER and at < folio_nr_pages(folio) else word_to_pfn(word)

cdef inline uint64_t *shmem_expected_of(layout_t *m, uint32_t inode) noexcept nogil:
    return &m.shmem_expected[inode * m.geo.inode_pages]

cdef inline char *payload_of(layout_t *m, uint32_t pfn) noexcept nogil:
    return m.payloads + pfn * m.geo.payload_bytes

cdef inline char *zswap_page_of(layout_t *m, uint32_t index) noexcept nogil:
    """What an entry of zswap keeps."""
    return m.zswap_pages + (index - 1) * m.geo.payload_bytes

cdef inline char *block_of(layout_t *m, uint32_t device, uint32_t handle) noexcept nogil:
    return m.blocks + (device * m.geo.blocks + handle - 1) * m.geo.payload_bytes
