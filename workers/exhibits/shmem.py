"""Files of tmpfs."""

from __future__ import annotations

from workers.exhibits.exhibit import Exhibit

SHMEM: tuple[Exhibit, ...] = (
    Exhibit(
        21,
        "A slot that is found before it is counted",
        2011,
        "dup_after_mapping",
        "has_cache",
        "shmem_truncate_writeout",
        ("Q1",),
        "Reclaim gives a page of a file a slot, and the mapping its entry; only then it marks the slot as the "
        "file's. A truncation in between gives back a reference that nobody has taken, and the mark that comes "
        "after it belongs to nobody: swapoff never ends.",
        "826267cf1e6c",
    ),
    Exhibit(
        22,
        "The order of an entry that is split meanwhile",
        2026,
        "order_before_lock",
        "swap_cache",
        "shmem_large_truncate_split",
        ("Q1", "Q21", "T2"),
        "A truncation looks at the order of an entry before it takes the lock, and compares and erases the entry under "
        "it. A swap-in of one page splits the entry in between: its first page still compares equal. One page is "
        "erased, and the slots of all are given back.",
        "8a1968bd997f reads the order under the lock; Fixes: 809bc86517cc",
    ),
    Exhibit(
        23,
        "A folio that is too large for its entry",
        2025,
        "same_order_only",
        "swap_cache",
        "shmem_large_page_writeout",
        ("L1",),
        "A swap-in finds a large entry, and splits it for the single page that it has read. Meanwhile the file was "
        "truncated, written and moved to the same slots by one large folio, which the swap cache has. Who reads the "
        "page finds that folio and refuses it, for the entry's order is another one; it looks again, to the same end.",
        "5c241ed8d031 compares the words of all of the folio's pages with its slots",
        liveness=True,
    ),
)
