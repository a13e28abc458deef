"""What the functions of a backtrace are called in a diagram: as in the kernel, and what is no function there is left out."""

from __future__ import annotations

# Where a CPU's operation begins -> what its column is called.
OPERATIONS = {
    "access_page": "fault",
    "memory_reclaim": "reclaim",
    "madvise_pageout": "pageout",
    "madvise_dontneed": "dontneed",
    "exit_mm": "exit",
    "mm_init": "exec",
    "fork_mm": "fork",
    "swapoff": "swapoff",
    "swapon": "swapon",
    "cgroup_attach_mm": "attach",
    "mem_cgroup_css_offline": "rmdir",
    "mem_cgroup_css_online": "mkdir",
    "serve_device": "disk",
}
KERNEL_NAMES = {
    "access_page": "handle_mm_fault",
    "check_references": "folio_check_references",
    "complete": "end_swap_bio",
    "copy_page": "wp_page_copy",
    "drop_unused_cache": "free_swap_cache",
    "find_cache_only": "swap_reclaim_full_clusters",
    "fork_mm": "dup_mmap",
    "install": "set_pte_at",
    "lock_or_retry": "folio_lock_or_retry",
    "prepare_and_add": "__swap_cache_prepare_and_add",
    "reclaim_folio": "shrink_folio_list",
    "remove_mapping": "__remove_mapping",
    "set_present": "set_pte_at",
    "swap_entry_free_locked": "swap_entries_free",
    "swap_free": "swap_free_nr",
    "wp_can_reuse": "wp_can_reuse_anon_folio",
    "zap_range": "zap_pte_range",
}
# Primitives, which a line of what they do says better, and steps that have a name here alone.
LEFT_OUT = frozenset(
    (
        *("swap_cluster_lock", "swap_cluster_unlock", "swap_cache_lock", "swap_cache_unlock", "cont_lock", "cont_unlock"),
        *("pte_lock", "pte_unlock", "pte_unchanged", "ptep_get", "folio_lock", "folio_trylock", "folio_unlock"),
        *("folio_lock_new", "folio_lock_to_io", "folio_lock_from_io", "folio_put", "folio_try_get", "folio_get"),
        *("folio_ref_freeze", "folio_ref_unfreeze", "folio_add_anon_rmap", "folio_remove_rmap", "folio_set"),
        *("folio_clear", "folio_test_set", "folio_enters_cache", "folio_leaves_cache", "folio_matches_swap_entry"),
        *("mmap_read_lock", "mmap_read_unlock", "mmap_write_lock", "mmap_write_unlock", "mmap_wait", "mmlist_add"),
        *("mmget_not_zero", "wait_bit", "sleep_on", "wake_matching", "wake_event", "swapcache_wake", "put_locked_folio"),
        *("stack_push", "stack_pop", "take_free_folio", "alloc_folio", "alloc_charged_folio", "free_folio"),
        *("page_counter_charge", "page_counter_try_charge", "page_counter_uncharge", "cancel", "try_charge"),
        *("css_join", "css_leave", "mem_cgroup_id_get_online", "mem_cgroup_id_put", "mem_cgroup_iter"),
        *("list_del", "unlink", "lru_add", "lru_add_tail", "lru_del", "move_cluster", "relocate_cluster", "free_cluster"),
        *("isolate_lock_cluster", "scan_cluster", "alloc_from", "find_slot", "check_slot", "cluster_alloc_slot"),
        *("load_block", "store_block", "submit", "latency_ns", "worker_leaves", "join_anon_vma", "claim_mm", "leave_unlock"),
        *("map_count_up", "map_count_up_cached", "map_count_down", "table_count_up", "table_count_down", "swapin_bypass"),
        *("pin_device", "unpin_device", "get_swap_device", "put_swap_device", "claim_refused", "recorded_memcg"),
        *("swap_cgroup_record", "map_or_give_up", "handle_fault", "swap_cache_evict"),
    )
)


def function_of(place: str) -> str:
    """The function of `file:function` or `file:Class.method`."""
    return place.rpartition(":")[2].rpartition(".")[2]


def operation_of(where: list[str]) -> str | None:
    """The operation of a backtrace, innermost first; None where no operation runs."""
    return function_of(where[-1]) if where and function_of(where[-1]) in OPERATIONS else None


def calls_of(where: list[str]) -> tuple[str, ...]:
    """The functions of a backtrace (innermost first) as a diagram names them, outermost first, without the operation."""
    names = [function_of(place) for place in reversed(where)]
    if names and names[0] in OPERATIONS:
        names = names[1:]
    return tuple(KERNEL_NAMES.get(name, name) for name in names if name not in LEFT_OUT)
