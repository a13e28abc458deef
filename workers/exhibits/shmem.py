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
)
