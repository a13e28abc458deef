"""Where everything lies: the arrays of a segment, and the fields of its structures that tools look at or that tests forge."""
from libc.stdint cimport uint64_t, uintptr_t

from shm.cluster cimport cluster_list, swap_cluster_info
from shm.folio cimport folio_t
from shm.histogram cimport histogram_t
from shm.layout cimport NR_WAIT_QUEUES, control_t, layout_t, wait_queue
from shm.lock cimport lock_t
from shm.memcg cimport COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP, mem_cgroup
from shm.mm cimport anon_vma_t, mm_struct
from shm.percpu cimport percpu_t
from shm.shmem cimport inode_t
from shm.swap_map cimport SLOTS_TABLE
from shm.swapfile cimport device_t, io_request, swap_avail_t, swap_info_struct
from shm.trace cimport trace_record
from shm.vmstat cimport warn_t
from shm.zone cimport zone_t
from shm.zswap cimport zswap_entry, zswap_lru, zswap_pool

from shm.records import Span


cdef dict spans(layout_t *m):
    """Where each array of the segment lies, in address order."""
    cdef uint64_t slots = m.geo.slots * m.geo.devices, base = <uintptr_t>m.base, nr
    nr = m.geo.devices
    rows = {
        "control": (<uintptr_t>m.control, sizeof(control_t), 1),
        "percpu": (<uintptr_t>m.percpu, m.percpu_stride, m.geo.cpus),
        "traces": (<uintptr_t>m.traces, sizeof(trace_record), m.geo.cpus * m.geo.trace_records),
        "wait_queues": (<uintptr_t>m.wait_queues, sizeof(wait_queue), NR_WAIT_QUEUES),
        "mmlist_lock": (<uintptr_t>m.mmlist_lock, sizeof(lock_t), 1),
        "swapon_mutex": (<uintptr_t>m.swapon_mutex, sizeof(lock_t), 1),
        "swap_avail": (<uintptr_t>m.swap_avail, sizeof(swap_avail_t), 1),
        "si": (<uintptr_t>m.si, sizeof(swap_info_struct), nr),
        "devices": (<uintptr_t>m.devices, sizeof(device_t), nr),
        "requests": (<uintptr_t>m.requests, sizeof(io_request), nr * m.geo.folios),
        "clusters": (<uintptr_t>m.clusters, sizeof(swap_cluster_info), nr * m.clusters_per_device),
        "xa_locks": (<uintptr_t>m.xa_locks, sizeof(lock_t), nr * m.xa_per_device),
        "tables_head": (<uintptr_t>m.tables_head, 8, 1),
        "table_next": (<uintptr_t>m.table_next, 4, m.geo.tables + 1),
        "tables": (<uintptr_t>m.tables, 8, m.geo.tables * m.geo.cluster_slots),
        "swap_map": (<uintptr_t>m.swap_map, 1, 0 if m.geo.slot_format == SLOTS_TABLE else slots),
        "cont_heads": (<uintptr_t>m.cont_heads, 4, nr * m.map_pages_per_device if m.geo.cont_pages else 0),
        "cont_head": (<uintptr_t>m.cont_head, 8, 1),
        "cont_next": (<uintptr_t>m.cont_next, 4, m.geo.cont_pages + 1),
        "cont_pages": (<uintptr_t>m.cont_pages, 1, m.geo.cont_pages * m.cont_page_slots),
        "ext_head": (<uintptr_t>m.ext_head, 8, 1),
        "ext_next": (<uintptr_t>m.ext_next, 4, m.geo.ext_tables + 1),
        "ext_tables": (<uintptr_t>m.ext_tables, 4, m.geo.ext_tables * m.geo.cluster_slots),
        "swap_cgroup": (<uintptr_t>m.swap_cgroup, 2, slots),
        "handles": (<uintptr_t>m.handles, 4, slots),
        "block_next": (<uintptr_t>m.block_next, 4, nr * (m.geo.blocks + 1)),
        "blocks": (<uintptr_t>m.blocks, m.geo.payload_bytes, nr * m.geo.blocks),
        "zone": (<uintptr_t>m.zone, sizeof(zone_t), 1),
        "folios": (<uintptr_t>m.folios, sizeof(folio_t), m.geo.folios),
        "payloads": (<uintptr_t>m.payloads, m.geo.payload_bytes, m.geo.folios),
        "memcgs": (<uintptr_t>m.memcgs, sizeof(mem_cgroup), m.geo.memcgs + 1),
        "anon_vmas": (<uintptr_t>m.anon_vmas, sizeof(anon_vma_t), m.geo.mms),
        "mms": (<uintptr_t>m.mms, sizeof(mm_struct), m.geo.mms),
        "ptls": (<uintptr_t>m.ptls, sizeof(lock_t), m.geo.mms * m.ptls_per_mm),
        "ptes": (<uintptr_t>m.ptes, 8, m.geo.mms * m.geo.pages),
        "expected": (<uintptr_t>m.expected, 8, m.geo.mms * m.geo.pages),
        "unmapped": (<uintptr_t>m.unmapped, 1, m.geo.mms * m.geo.pages),
        "swaplist_lock": (<uintptr_t>m.swaplist_lock, sizeof(lock_t), 1 if m.geo.inodes else 0),
        "inodes": (<uintptr_t>m.inodes, sizeof(inode_t), m.geo.inodes),
        "mappings": (<uintptr_t>m.mappings, 8, m.geo.inodes * m.geo.inode_pages),
        "shmem_expected": (<uintptr_t>m.shmem_expected, 8, m.geo.inodes * m.geo.inode_pages),
        "generations": (<uintptr_t>m.generations, 4, slots + m.geo.folios if m.geo.generations else 0),
        "zeromap": (<uintptr_t>m.zeromap, 4, (slots + 31) // 32 if m.geo.zeromap else 0),
        "zswap": (<uintptr_t>m.zswap, sizeof(zswap_pool), 1 if m.geo.zswap_pages else 0),
        "zswap_lrus": (<uintptr_t>m.zswap_lrus, sizeof(zswap_lru), m.geo.memcgs + 1 if m.geo.zswap_pages else 0),
        "zswap_tree": (<uintptr_t>m.zswap_tree, 4, slots if m.geo.zswap_pages else 0),
        "zswap_entries": (<uintptr_t>m.zswap_entries, sizeof(zswap_entry), m.geo.zswap_pages + 1 if m.geo.zswap_pages else 0),
        "zswap_next": (<uintptr_t>m.zswap_next, 4, m.geo.zswap_pages + 1 if m.geo.zswap_pages else 0),
        "zswap_pages": (<uintptr_t>m.zswap_pages, m.geo.payload_bytes, m.geo.zswap_pages),
    }
    return {name: Span(at - base, item, count) for name, (at, item, count) in rows.items()}


cdef dict fields_of_swap():
    """Of devices, their clusters, and zswap."""
    cdef swap_cluster_info *ci = NULL
    cdef swap_info_struct *si = NULL
    cdef swap_avail_t *avail = NULL
    cdef zswap_pool *pool = NULL
    cdef zswap_lru *lru = NULL
    cdef zswap_entry *stored = NULL
    return {
        "swap_cluster_info": {
            "lock": (<uintptr_t>&ci.lock.word, 8), "count": (<uintptr_t>&ci.count, 2),
            "flags": (<uintptr_t>&ci.flags, 1), "table": (<uintptr_t>&ci.table, 4), "prev": (<uintptr_t>&ci.prev, 4),
            "next": (<uintptr_t>&ci.next, 4), "owner": (<uintptr_t>&ci.owner, 4), "ext": (<uintptr_t>&ci.ext, 4),
            "swept": (<uintptr_t>&ci.swept, 4), "order": (<uintptr_t>&ci.order, 1),
        },
        "swap_info_struct": {
            "flags": (<uintptr_t>&si.flags, 4), "inuse_pages": (<uintptr_t>&si.inuse_pages, 8),
            "lists": (<uintptr_t>&si.lists, sizeof(cluster_list)), "prio": (<uintptr_t>&si.prio, 4),
        },
        "swap_avail_t": {"nr": (<uintptr_t>&avail.nr, 4), "device": (<uintptr_t>&avail.device, 4)},
        "zswap_pool": {
            "stored_pages": (<uintptr_t>&pool.stored_pages, 8), "free_entries": (<uintptr_t>&pool.free_entries, 8),
        },
        "zswap_lru": {"list": (<uintptr_t>&lru.list, 4)},  # head, tail and length
        "zswap_entry": {
            "swpentry": (<uintptr_t>&stored.swpentry, 8), "lru_prev": (<uintptr_t>&stored.lru_prev, 4),
            "lru_next": (<uintptr_t>&stored.lru_next, 4), "memcg": (<uintptr_t>&stored.memcg, 4),
        },
    }


cdef dict fields_of_memory():
    """Of folios, and of who owns them."""
    cdef folio_t *f = NULL
    cdef zone_t *z = NULL
    cdef mem_cgroup *cg = NULL
    cdef mm_struct *mm = NULL
    cdef inode_t *inode = NULL
    return {
        "folio_t": {
            "flags": (<uintptr_t>&f.flags, 4), "refcount": (<uintptr_t>&f.refcount, 4),
            "mapcount": (<uintptr_t>&f.mapcount, 4), "lock_owner": (<uintptr_t>&f.lock_owner, 4),
            "swap": (<uintptr_t>&f.swap, 8), "memcg": (<uintptr_t>&f.memcg, 4), "order": (<uintptr_t>&f.order, 4),
            "head": (<uintptr_t>&f.head, 4), "next_free": (<uintptr_t>&f.next_free, 4),
            "index": (<uintptr_t>&f.index, 4), "mapping": (<uintptr_t>&f.mapping, 4),
        },
        "zone_t": {"lock": (<uintptr_t>&z.lock.word, 8), "free_area": (<uintptr_t>&z.free_area, 8)},
        "mem_cgroup": {
            "memory": (<uintptr_t>&cg.counters[COUNTER_MEMORY].usage, 8),
            "memsw": (<uintptr_t>&cg.counters[COUNTER_MEMSW].usage, 8),
            "swap": (<uintptr_t>&cg.counters[COUNTER_SWAP].usage, 8), "id_refs": (<uintptr_t>&cg.id_refs, 8),
            "nr_swap": (<uintptr_t>&cg.nr_swap, 8), "swapcached": (<uintptr_t>&cg.swapcached, 8),
            "css": (<uintptr_t>&cg.css, 4), "parent": (<uintptr_t>&cg.parent, 4),
        },
        "mm_struct": {
            "mmap_lock": (<uintptr_t>&mm.mmap_lock, 4), "state": (<uintptr_t>&mm.state, 4),
            "on_mmlist": (<uintptr_t>&mm.on_mmlist, 4), "unmapped": (<uintptr_t>&mm.unmapped, 4),
        },
        "inode_t": {
            "nrpages": (<uintptr_t>&inode.nrpages, 4), "swapped": (<uintptr_t>&inode.swapped, 4),
            "on_swaplist": (<uintptr_t>&inode.on_swaplist, 4),
        },
    }


cdef dict fields_of_cpus():
    """Of CPUs, and of what they wait for."""
    cdef percpu_t *pc = NULL
    cdef wait_queue *q = NULL
    cdef control_t *c = NULL
    return {
        "percpu_t": {
            "phase": (<uintptr_t>&pc.phase, 4), "wait_mode": (<uintptr_t>&pc.wait_mode, 4),
            "free_head": (<uintptr_t>&pc.free_head, 8), "users": (<uintptr_t>&pc.users, 8),
            "cluster_next": (<uintptr_t>&pc.cluster_next, 8), "reserved_nr": (<uintptr_t>&pc.reserved_nr, 8),
            "reserved_entry": (<uintptr_t>&pc.reserved_entry, 8),
            "claimed_entry": (<uintptr_t>&pc.claimed_entry, 8), "trace_head": (<uintptr_t>&pc.trace_head, 8),
            "gauges": (<uintptr_t>&pc.gauges, 8), "warnings": (<uintptr_t>&pc.warnings, sizeof(warn_t)),
            "warned": (<uintptr_t>&pc.warned, 4), "events": (<uintptr_t>&pc.events, 8),
            "latencies": (<uintptr_t>&pc.latencies, sizeof(histogram_t)),
            "generation": (<uintptr_t>&pc.generation, 8), "rng": (<uintptr_t>&pc.rng, 8),
            "refused_sleeps": (<uintptr_t>&pc.refused_sleeps, 8),
        },
        "wait_queue": {"head": (<uintptr_t>&q.head, 4)},
        "control_t": {
            "memcg_version": (<uintptr_t>&c.memcg_version, 4), "map_shmem": (<uintptr_t>&c.map_shmem, 4),
            "nr_writeback": (<uintptr_t>&c.nr_writeback, 8),
            "nr_swap_pages": (<uintptr_t>&c.nr_swap_pages, 8), "total_swap_pages": (<uintptr_t>&c.total_swap_pages, 8),
        },
    }


def field_offsets() -> dict[str, dict[str, tuple[int, int]]]:
    """Offset and bytes of the fields that tools look at or that tests forge, by structure."""
    return {**fields_of_swap(), **fields_of_memory(), **fields_of_cpus()}
