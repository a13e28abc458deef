"""The one authority on the format of a segment: sizes, offsets, and how a fresh one is filled."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from shm.cluster cimport (
    CLUSTER_FLAG_FREE, CLUSTER_FLAG_NONFULL, CLUSTER_NIL, NR_CLUSTER_LISTS, cluster_list, cluster_orders, swap_cluster_info,
)
from shm.lock cimport (
    CLASS_ANON_VMA, CLASS_SWAP_AVAIL, CLASS_CLUSTER, CLASS_CONT, CLASS_DEVICE, CLASS_GLOBAL_CLUSTER, CLASS_LRUVEC,
    CLASS_MAPPING, CLASS_MMLIST, CLASS_PTL, CLASS_SI, CLASS_SWAPLIST, CLASS_SWAPON, CLASS_WAITQUEUE, CLASS_XA, CLASS_ZONE,
    CLASS_ZSWAP_LRU, lock_init, sem_init,
)
from shm.folio cimport PG_BUDDY, folio_t
from shm.memcg cimport CSS_ONLINE, NR_COUNTERS, mem_cgroup
from shm.mm cimport PTES_PER_PTL, anon_vma_t, mm_struct
from shm.percpu cimport percpu_t
from shm.shmem cimport inode_t
from shm.swap_map cimport MAP_PAGE_SLOTS, SLOTS_TABLE, SWAP_MAP_BAD
from shm.swap_table cimport swp_tb_bad
from shm.swapfile cimport (
    SWAP_ADDRESS_SPACE_SHIFT, SWP_SOLIDSTATE, SWP_SYNCHRONOUS_IO, SWP_USED, SWP_WRITEOK, device_t, io_request, swap_avail_t,
    swap_info_struct,
)
from shm.trace cimport trace_record
from shm.zone cimport MAX_FOLIO_ORDER, free_area_t, zone_t
from shm.zswap cimport zswap_entry, zswap_lru, zswap_pool

from shm.geometry import Geometry
from shm.errors import SegmentError

assert sizeof(lock_t) == 64 and sizeof(swap_cluster_info) == 128 and sizeof(folio_t) == 64
assert sizeof(mm_struct) == 64 and sizeof(wait_queue) == 128 and sizeof(zone_t) == 128 and sizeof(control_t) % 8 == 0
assert sizeof(swap_info_struct) % 64 == 0 and sizeof(swap_avail_t) == 128


cdef inline uint64_t take(uint64_t *at, uint64_t item, uint64_t count) noexcept nogil:
    cdef uint64_t here = at[0]
    at[0] = (here + item * count + 63) & ~<uint64_t>63
    return here


cdef uint64_t place_swap(layout_t *m, char *base, uint64_t at) noexcept nogil:
    """Arrays of the swap devices: offsets in address order. Returns where they end."""
    cdef uint64_t slots = m.geo.slots * m.geo.devices
    m.clusters_per_device = (m.geo.slots + m.geo.cluster_slots - 1) // m.geo.cluster_slots
    m.cluster_orders = cluster_orders(m.geo.cluster_slots)
    m.xa_per_device = (m.geo.slots >> SWAP_ADDRESS_SPACE_SHIFT) + 1
    m.swap_avail = <swap_avail_t *>(base + take(&at, sizeof(swap_avail_t), 1))
    m.si = <swap_info_struct *>(base + take(&at, sizeof(swap_info_struct), m.geo.devices))
    m.devices = <device_t *>(base + take(&at, sizeof(device_t), m.geo.devices))
    m.requests = <io_request *>(base + take(&at, sizeof(io_request), m.geo.devices * m.geo.folios))
    m.clusters = <swap_cluster_info *>(
        base + take(&at, sizeof(swap_cluster_info), m.geo.devices * m.clusters_per_device))
    m.xa_locks = <lock_t *>(base + take(&at, sizeof(lock_t), m.geo.devices * m.xa_per_device))
    m.tables_head = <uint64_t *>(base + take(&at, 8, 1))
    m.table_next = <uint32_t *>(base + take(&at, 4, m.geo.tables + 1))
    m.tables = <uint64_t *>(base + take(&at, 8, m.geo.tables * m.geo.cluster_slots))
    at = place_counts(m, base, at)
    m.swap_cgroup = <uint16_t *>(base + take(&at, 2, slots))
    m.handles = <uint32_t *>(base + take(&at, 4, slots))
    m.block_next = <uint32_t *>(base + take(&at, 4, m.geo.devices * (m.geo.blocks + 1)))
    m.blocks = base + take(&at, m.geo.payload_bytes, m.geo.devices * m.geo.blocks)
    return at


cdef uint64_t place_counts(layout_t *m, char *base, uint64_t at) noexcept nogil:
    """Arrays that count the references of slots. Returns where they end."""
    cdef uint64_t map_slots = 0 if m.geo.slot_format == SLOTS_TABLE else m.geo.slots * m.geo.devices
    m.swap_map = <uint8_t *>(base + take(&at, 1, map_slots))
    m.map_pages_per_device = (m.geo.slots + MAP_PAGE_SLOTS - 1) // MAP_PAGE_SLOTS
    m.cont_page_slots = MAP_PAGE_SLOTS if m.geo.slots > MAP_PAGE_SLOTS else m.geo.slots
    m.cont_heads = <uint32_t *>(base + take(&at, 4, m.geo.devices * m.map_pages_per_device if m.geo.cont_pages else 0))
    m.cont_head = <uint64_t *>(base + take(&at, 8, 1))
    m.cont_next = <uint32_t *>(base + take(&at, 4, m.geo.cont_pages + 1))
    m.cont_pages = <uint8_t *>(base + take(&at, m.cont_page_slots, m.geo.cont_pages))
    m.ext_head = <uint64_t *>(base + take(&at, 8, 1))
    m.ext_next = <uint32_t *>(base + take(&at, 4, m.geo.ext_tables + 1))
    m.ext_tables = <uint32_t *>(base + take(&at, 4 * m.geo.cluster_slots, m.geo.ext_tables))
    return at


cdef uint64_t place_shmem(layout_t *m, char *base, uint64_t at) noexcept nogil:
    """Arrays of files. Returns where they end."""
    m.swaplist_lock = <lock_t *>(base + take(&at, sizeof(lock_t), 1 if m.geo.inodes else 0))
    m.inodes = <inode_t *>(base + take(&at, sizeof(inode_t), m.geo.inodes))
    m.mappings = <uint64_t *>(base + take(&at, 8, m.geo.inodes * m.geo.inode_pages))
    m.shmem_expected = <uint64_t *>(base + take(&at, 8, m.geo.inodes * m.geo.inode_pages))
    return at


cdef uint64_t place_zswap(layout_t *m, char *base, uint64_t at) noexcept nogil:
    """The zero-filled map, and what zswap keeps. Returns where they end."""
    cdef uint64_t slots = m.geo.slots * m.geo.devices, entries = m.geo.zswap_pages
    m.zeromap = <uint32_t *>(base + take(&at, 4, (slots + 31) // 32 if m.geo.zeromap else 0))
    m.zswap = <zswap_pool *>(base + take(&at, sizeof(zswap_pool), 1 if entries else 0))
    m.zswap_lrus = <zswap_lru *>(base + take(&at, sizeof(zswap_lru), m.geo.memcgs + 1 if entries else 0))
    m.zswap_tree = <uint32_t *>(base + take(&at, 4, slots if entries else 0))
    m.zswap_entries = <zswap_entry *>(base + take(&at, sizeof(zswap_entry), entries + 1 if entries else 0))
    m.zswap_next = <uint32_t *>(base + take(&at, 4, entries + 1 if entries else 0))
    m.zswap_pages = base + take(&at, m.geo.payload_bytes, entries)
    return at


cdef uint64_t place_all(layout_t *m, const geometry_t *geo, char *base) noexcept nogil:
    """Resolve every pointer of `m` for a segment at `base`. Returns where the last array ends."""
    cdef uint64_t at = HEADER_BYTES
    m.base = base
    m.geo = geo[0]
    m.control = <control_t *>(base + take(&at, sizeof(control_t), 1))
    m.percpu_stride = (sizeof(percpu_t) + 63) & ~<uint64_t>63
    m.percpu = <percpu_t *>(base + take(&at, m.percpu_stride, m.geo.cpus))
    m.traces = <trace_record *>(base + take(&at, sizeof(trace_record), m.geo.cpus * m.geo.trace_records))
    m.resettable = at
    m.wait_queues = <wait_queue *>(base + take(&at, sizeof(wait_queue), NR_WAIT_QUEUES))
    m.mmlist_lock = <lock_t *>(base + take(&at, sizeof(lock_t), 1))
    m.swapon_mutex = <lock_t *>(base + take(&at, sizeof(lock_t), 1))
    at = place_swap(m, base, at)
    m.ptls_per_mm = (m.geo.pages + PTES_PER_PTL - 1) // PTES_PER_PTL
    m.zone = <zone_t *>(base + take(&at, sizeof(zone_t), 1))
    m.folios = <folio_t *>(base + take(&at, sizeof(folio_t), m.geo.folios))
    m.payloads = base + take(&at, m.geo.payload_bytes, m.geo.folios)
    m.memcgs = <mem_cgroup *>(base + take(&at, sizeof(mem_cgroup), m.geo.memcgs + 1))
    m.anon_vmas = <anon_vma_t *>(base + take(&at, sizeof(anon_vma_t), m.geo.mms))
    m.mms = <mm_struct *>(base + take(&at, sizeof(mm_struct), m.geo.mms))
    m.ptls = <lock_t *>(base + take(&at, sizeof(lock_t), m.geo.mms * m.ptls_per_mm))
    m.ptes = <uint64_t *>(base + take(&at, 8, m.geo.mms * m.geo.pages))
    m.expected = <uint64_t *>(base + take(&at, 8, m.geo.mms * m.geo.pages))
    m.unmapped = <uint8_t *>(base + take(&at, 1, m.geo.mms * m.geo.pages))
    at = place_shmem(m, base, at)
    m.generations = <uint32_t *>(
        base + take(&at, 4, m.geo.devices * m.geo.slots + m.geo.folios if m.geo.generations else 0))
    at = place_zswap(m, base, at)
    m.size = (at + 4095) & ~<uint64_t>4095
    return at


cdef uint64_t layout_end(layout_t *m) noexcept nogil:
    """Where the last array ends: from there to the end of its page nothing lies."""
    cdef layout_t again
    return place_all(&again, &m.geo, m.base)


cdef uint64_t layout_place(layout_t *m, const geometry_t *geo, char *base) noexcept nogil:
    """Resolve every pointer of `m` for a segment at `base`. Returns its size in bytes."""
    place_all(m, geo, base)
    return m.size


cdef void layout_attach(layout_t *m, char *base) noexcept nogil:
    """The layout of the formatted segment at `base`: its geometry stands in the header, 64 bytes in."""
    cdef geometry_t geo
    memcpy(&geo, base + 64, sizeof(geometry_t))
    layout_place(m, &geo, base)


cdef geometry_t pack(geometry) except *:
    cdef geometry_t geo
    cdef uint64_t *words = <uint64_t *>&geo
    for i, word in enumerate(geometry.words()):
        words[i] = word
    return geo


cdef void link_stack(uint64_t *head, uint32_t *links, uint64_t count) noexcept nogil:
    """A tagged stack of the indices 1 to count, the least on top."""
    cdef uint64_t i
    for i in range(1, count + 1):
        links[i] = <uint32_t>(i + 1) if i < count else 0
    head[0] = 1 if count else 0


cdef void list_append(cluster_list *lst, swap_cluster_info *clusters, uint32_t index) noexcept nogil:
    clusters[index].prev = lst.tail
    clusters[index].next = CLUSTER_NIL
    if lst.tail == CLUSTER_NIL:
        lst.head = index
    else:
        clusters[lst.tail].next = index
    lst.tail = index
    lst.nr += 1


cdef void format_clusters(layout_t *m, uint32_t device, uint32_t kind) noexcept nogil:
    """Every cluster on its list; the header slot and what lies beyond the end are bad, and count as used."""
    cdef swap_info_struct *si = &m.si[device]
    cdef uint64_t i, off
    cdef uint32_t per = <uint32_t>m.geo.cluster_slots, table, bad
    cdef swap_cluster_info *ci
    cdef swap_cluster_info *first = cluster_of(m, device, 0)
    for i in range(m.clusters_per_device):
        ci = &first[i]
        lock_init(&ci.lock, CLASS_CLUSTER, kind)
        bad = 1 if i == 0 else 0
        if (i + 1) * per > m.geo.slots:
            bad += <uint32_t>((i + 1) * per - m.geo.slots)
        ci.count = bad
        if bad == 0:
            ci.flags = CLUSTER_FLAG_FREE
            list_append(&si.lists[CLUSTER_FLAG_FREE], first, <uint32_t>i)
            continue
        table = <uint32_t>m.tables_head[0]
        m.tables_head[0] = m.table_next[table]
        ci.table = table
        for off in range(per):
            if (i == 0 and off == 0) or i * per + off >= m.geo.slots:
                table_of(m, table)[off] = swp_tb_bad()
                if i * per + off < m.geo.slots and m.geo.slot_format != SLOTS_TABLE:
                    m.swap_map[si.first_slot + i * per + off] = SWAP_MAP_BAD
        ci.flags = CLUSTER_FLAG_NONFULL
        list_append(&si.lists[CLUSTER_FLAG_NONFULL], first, <uint32_t>i)


cdef void format_device(layout_t *m, uint32_t device, uint32_t kind, bint synchronous) noexcept nogil:
    cdef swap_info_struct *si = &m.si[device]
    cdef uint64_t i
    lock_init(&si.lock, CLASS_SI, kind)
    lock_init(&si.cont_lock, CLASS_CONT, kind)
    lock_init(&si.global_cluster_lock, CLASS_GLOBAL_CLUSTER, kind)
    si.type = device
    si.max = <uint32_t>m.geo.slots
    si.pages = si.max - 1
    si.nr_clusters = <uint32_t>m.clusters_per_device
    si.first_slot = device * m.geo.slots
    si.prio = -2 - <int>device
    m.swap_avail.device[device] = device
    m.swap_avail.nr += 1
    for i in range(NR_CLUSTER_LISTS):
        si.lists[i].head = si.lists[i].tail = CLUSTER_NIL
    lock_init(&m.devices[device].lock, CLASS_DEVICE, kind)
    m.devices[device].capacity = <uint32_t>m.geo.folios
    for i in range(m.geo.blocks):
        m.block_next[device * (m.geo.blocks + 1) + i + 1] = <uint32_t>(i + 2) if i + 1 < m.geo.blocks else 0
    m.devices[device].free_blocks = 1
    format_clusters(m, device, kind)
    si.flags = SWP_USED | SWP_WRITEOK | SWP_SOLIDSTATE | (SWP_SYNCHRONOUS_IO if synchronous else 0)
    m.control.nr_swap_pages += si.pages
    m.control.total_swap_pages += si.pages


cdef void format_folios(layout_t *m, uint32_t kind) noexcept nogil:
    """Folios shared out to the CPUs' free stacks; all in the largest blocks of the zone where orders are in use."""
    cdef uint64_t i = 1, order
    cdef free_area_t *area
    cdef percpu_t *pc
    lock_init(&m.zone.lock, CLASS_ZONE, kind)
    while i < m.geo.folios:
        if not has_large_folios(m):
            pc = percpu_of(m, <uint32_t>(i % m.geo.cpus))
            m.folios[i].next_free = <uint32_t>pc.free_head
            pc.free_head = i
            i += 1
            continue
        order = MAX_FOLIO_ORDER
        while i & ((<uint64_t>1 << order) - 1) or i + (<uint64_t>1 << order) > m.geo.folios:
            order -= 1
        area = &m.zone.free_area[order]
        m.folios[i].flags = PG_BUDDY
        m.folios[i].order = <uint32_t>order
        m.folios[i].lru_next = area.head
        if area.head:
            m.folios[area.head].lru_prev = <uint32_t>i
        area.head = <uint32_t>i
        i += <uint64_t>1 << order


cdef void format_zswap(layout_t *m, uint32_t kind) noexcept nogil:
    """All entries free."""
    cdef uint64_t i
    if m.geo.zswap_pages == 0:
        return
    for i in range(m.geo.memcgs + 1):
        lock_init(&m.zswap_lrus[i].lock, CLASS_ZSWAP_LRU, kind)
    link_stack(&m.zswap.free_entries, m.zswap_next, m.geo.zswap_pages)


cdef void format_memory(layout_t *m, uint32_t kind) noexcept nogil:
    """Free folios; empty mms and memcgs; every lock made."""
    cdef uint64_t i, cpu
    cdef int which
    format_folios(m, kind)
    for cpu in range(m.geo.cpus):
        sem_init(&percpu_of(m, <uint32_t>cpu).wake, 1, 0)
    for i in range(NR_WAIT_QUEUES):
        lock_init(&m.wait_queues[i].lock, CLASS_WAITQUEUE, kind)
    lock_init(m.mmlist_lock, CLASS_MMLIST, kind)
    lock_init(m.swapon_mutex, CLASS_SWAPON, kind)
    lock_init(&m.swap_avail.lock, CLASS_SWAP_AVAIL, kind)
    for i in range(m.geo.devices * m.xa_per_device):
        lock_init(&m.xa_locks[i], CLASS_XA, kind)
    for i in range(m.geo.memcgs + 1):
        lock_init(&m.memcgs[i].lru_lock, CLASS_LRUVEC, kind)
        for which in range(NR_COUNTERS):
            m.memcgs[i].counters[which].max = <int64_t>1 << 62
        m.memcgs[i].id_refs = 1
        m.memcgs[i].css = CSS_ONLINE
    for i in range(m.geo.mms):
        lock_init(&m.anon_vmas[i].lock, CLASS_ANON_VMA, kind)
    format_zswap(m, kind)
    for i in range(m.geo.mms * m.ptls_per_mm):
        lock_init(&m.ptls[i], CLASS_PTL, kind)


cdef void format_shmem(layout_t *m, uint32_t kind) noexcept nogil:
    """Empty files."""
    cdef uint64_t i
    if m.geo.inodes:
        lock_init(m.swaplist_lock, CLASS_SWAPLIST, kind)
    for i in range(m.geo.inodes):
        lock_init(&m.inodes[i].i_pages, CLASS_MAPPING, kind)


cdef char *address(buf, Py_buffer *view) except NULL:
    PyObject_GetBuffer(buf, view, PyBUF_WRITABLE)
    return <char *>view.buf


def size_of(geometry: Geometry) -> int:
    """Bytes of a segment of that geometry, header included."""
    cdef layout_t m
    cdef geometry_t geo = pack(geometry)
    return layout_place(&m, &geo, NULL)


def bytes_per_slot(geometry: Geometry) -> float:
    """Bytes that one swap slot takes beside its payload: map, cgroup id, handle, table word, zero bit, share of its cluster."""
    clusters = geometry.clusters
    tables = geometry.tables * (geometry.cluster_slots * 8 + 4)
    per_device = geometry.slots * (2 + 4 + (0 if geometry.slot_format == SLOTS_TABLE else 1) + geometry.zeromap / 8) + clusters * sizeof(swap_cluster_info)
    return (per_device * geometry.devices + tables) / (geometry.slots * geometry.devices)


def format_segment(buf, geometry: Geometry, synchronous: bool) -> None:
    """Fill a zeroed segment: header words, lists, locks, free folios. Nobody else may have it attached yet."""
    cdef Py_buffer view
    cdef layout_t m
    cdef geometry_t geo = pack(geometry)
    cdef char *base = address(buf, &view)
    cdef uint32_t kind = <uint32_t>geometry.lock_kind, device
    cdef bint sync_io = synchronous
    cdef uint64_t i
    try:
        layout_place(&m, &geo, base)
        if <uint64_t>view.len < m.size:
            raise SegmentError(f"segment has {view.len} bytes, its geometry needs {m.size}")
        memcpy(base + 64, &geo, sizeof(geometry_t))
        with nogil:
            m.control.cycle_factor = <uint64_t>1 << 32
            link_stack(m.tables_head, m.table_next, m.geo.tables)
            link_stack(m.ext_head, m.ext_next, m.geo.ext_tables)
            link_stack(m.cont_head, m.cont_next, m.geo.cont_pages)
            format_memory(&m, kind)
            format_shmem(&m, kind)
            for device in range(<uint32_t>m.geo.devices):
                format_device(&m, device, kind, sync_io)
    finally:
        PyBuffer_Release(&view)


def sizes() -> dict[str, int]:
    """sizeof of every structure in the segment, for the map in README.md and its test."""
    return {
        "zone_t": sizeof(zone_t), "lock_t": sizeof(lock_t), "swap_cluster_info": sizeof(swap_cluster_info), "folio_t": sizeof(folio_t),
        "swap_info_struct": sizeof(swap_info_struct), "device_t": sizeof(device_t), "mm_struct": sizeof(mm_struct),
        "anon_vma_t": sizeof(anon_vma_t), "mem_cgroup": sizeof(mem_cgroup), "percpu_t": sizeof(percpu_t),
        "wait_queue": sizeof(wait_queue), "control_t": sizeof(control_t), "trace_record": sizeof(trace_record),
        "io_request": sizeof(io_request), "zswap_pool": sizeof(zswap_pool), "zswap_lru": sizeof(zswap_lru),
        "zswap_entry": sizeof(zswap_entry), "inode_t": sizeof(inode_t), "swap_avail_t": sizeof(swap_avail_t),
    }


def build_info() -> dict[str, str | int]:
    """How the core was built: what an outcome keeps with its figures."""
    return {"layout_version": LAYOUT_VERSION, "compiler": COMPILER.decode(), "optimized": bool(OPTIMIZED)}


cdef extern from *:
    """
    #ifdef __OPTIMIZE__
    #define SR_OPTIMIZED 1
    #else
    #define SR_OPTIMIZED 0
    #endif
    """
    const char *COMPILER "__VERSION__"
    int OPTIMIZED "SR_OPTIMIZED"
