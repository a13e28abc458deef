"""What the functions of a backtrace are called in a diagram: as in the kernel. What is none there is left out."""

from __future__ import annotations

# Where a CPU's operation begins -> what its column is called.
OPERATIONS = {
    "access_page": "fault",
    "memory_reclaim": "reclaim",
    "madvise_pageout": "pageout",
    "madvise_dontneed": "dontneed",
    "madvise_cold": "cold",
    "madvise_willneed": "willneed",
    "madvise_free": "free",
    "munmap": "munmap",
    "mmap_fixed": "mmap",
    "userfaultfd_move": "move",
    "exit_mm": "exit",
    "mm_init": "exec",
    "fork_mm": "fork",
    "swapoff": "swapoff",
    "swapon": "swapon",
    "shmem_read": "read",
    "shmem_write": "write",
    "shmem_truncate": "truncate",
    "cgroup_attach_mm": "attach",
    "mem_cgroup_css_offline": "rmdir",
    "mem_cgroup_css_online": "mkdir",
    "zswap_shrink_tree": "zswap",
    "serve_device": "disk",
    "serve_discards": "discard",
}
KERNEL_NAMES = {
    "access_page": "handle_mm_fault",
    "check_references": "folio_check_references",
    "complete": "end_swap_bio",
    "copy_page": "wp_page_copy",
    "drop_unused_cache": "free_swap_cache",
    "fork_mm": "dup_mmap",
    "install": "set_pte_at",
    "cluster_alloc_table": "swap_cluster_alloc_table",
    "lock_or_retry": "folio_lock_or_retry",
    "move_present": "move_pages_pte",
    "move_swapped": "move_pages_pte",
    "read_swap_cache": "read_swap_cache_async",
    "pageout_vma": "madvise_pageout_page_range",
    "prepare_and_add": "__swap_cache_prepare_and_add",
    "read_ahead_of_vma": "swap_vma_readahead",
    "reclaim_folio": "shrink_folio_list",
    "reclaim_one": "shrink_folio_list",
    "release_cluster": "__free_cluster",
    "remove_mapping": "__remove_mapping",
    "set_present": "set_pte_at",
    "shrink_list": "shrink_memcg",
    "shmem_get_folio": "shmem_get_folio_gfp",
    "store_page": "zswap_store_page",
    "swap_entry_free_locked": "swap_entries_free",
    "swap_free": "swap_free_nr",
    "vma_window": "swap_vma_ra_win",
    "wp_can_reuse": "wp_can_reuse_anon_folio",
    "zap_range": "zap_pte_range",
}
# Primitives, which a line of what they do says better, and steps that have a name here alone.
LEFT_OUT = frozenset(
    (
        *("alloc_charged_folio", "alloc_folio", "alloc_on_the_device", "alloc_under_local_lock", "cancel"),
        *("check_slot", "claim_mm", "claim_refused"),
        *("cluster_alloc", "cluster_alloc_range", "cluster_alloc_swap_entry", "cluster_window", "cont_lock"),
        *("cont_unlock", "css_join", "css_leave", "find_slots"),
        *("folio_add_anon_rmap", "folio_enters_cache", "folio_get", "folio_leaves_cache", "folio_swapped_in"),
        *("folio_lock", "folio_lock_from_io", "folio_lock_new", "folio_lock_to_io", "folio_matches_swap_entry"),
        *("folio_put", "folio_ref_freeze", "folio_ref_unfreeze", "folio_remove_rmap"),
        *("folio_try_get", "folio_trylock", "folio_unlock", "free_cluster", "free_folio", "get_swap_device"),
        *("handle_fault", "isolate_lock_cluster", "join_anon_vma", "latency_ns", "leave_unlock", "list_del"),
        *("load_block", "lru_add", "lru_add_tail", "lru_del", "map_count_down", "map_count_up"),
        *("map_count_up_cached", "map_or_give_up", "mem_cgroup_id_get_online", "mem_cgroup_id_put"),
        *("mem_cgroup_iter", "mmap_read_lock", "mmap_read_unlock", "mmap_wait"),
        *("mmap_write_downgrade", "mmap_write_lock", "mmap_write_unlock", "mmget_not_zero", "mmlist_add"),
        *("move_cluster", "page_counter_charge"),
        *("page_counter_try_charge", "page_counter_uncharge", "pin_device", "pte_lock", "pte_unchanged"),
        *("next_device", "pte_unlock", "ptep_get", "put_cache_locked", "put_locked_folio", "put_swap_device"),
        *("read_bypass", "read_slot", "recorded_memcg"),
        *("relocate_cluster", "scan_cluster", "scan_from", "scan_list", "scan_lists"),
        *("sleep_on", "slot_in_cache", "stack_pop", "stack_push", "store_block", "submit", "swap_cache_evict"),
        *("swap_cache_lock", "swap_cache_unlock", "swap_cgroup_record", "swap_cluster_lock", "swap_cluster_unlock"),
        *("swapcache_wake", "swapin_bypass", "table_count_down", "table_count_up", "take_free_folio", "try_charge"),
        *("unlink", "unpin_device", "wait_bit", "wake_event", "wake_matching", "worker_leaves"),
        *("swap_writepage", "zswap_entry_alloc", "zswap_entry_free"),
        *("zswap_lru_add", "zswap_lru_count", "zswap_lru_walk", "zswap_shrink_memcg"),
    )
)


def function_of(place: str) -> str:
    """The function of `file:function` or `file:Class.method`."""
    return place.rpartition(":")[2].rpartition(".")[2]


def operation_of(where: list[str]) -> str | None:
    """The operation of a backtrace, innermost first; None where no operation runs."""
    return function_of(where[-1]) if where and function_of(where[-1]) in OPERATIONS else None


def calls_of(where: list[str]) -> tuple[str, ...]:
    """The functions of a backtrace (innermost first) as a diagram names them: outermost first, less the operation."""
    names = [function_of(place) for place in reversed(where)]
    if names and names[0] in OPERATIONS:
        names = names[1:]
    return tuple(KERNEL_NAMES.get(name, name) for name in names if name not in LEFT_OUT)
