"""The museum: historical bugs of swap-in synchronization, each as a variant of a few lines.

One file a subject. Plain data, so that the service can list them without the compiled core.
`python -m workers.explorer.museum` plays them.
"""

from __future__ import annotations

from workers.exhibits.counts import COUNTS
from workers.exhibits.exhibit import Exhibit
from workers.exhibits.memcg import MEMCG
from workers.exhibits.operations import OPERATIONS
from workers.exhibits.shmem import SHMEM
from workers.exhibits.swap_in import SWAP_IN
from workers.exhibits.zswap import ZSWAP

__all__ = ["EXHIBITS", "Exhibit"]

# By number.
EXHIBITS: dict[int, Exhibit] = {
    exhibit.number: exhibit
    for exhibit in sorted((*SWAP_IN, *OPERATIONS, *COUNTS, *MEMCG, *SHMEM, *ZSWAP), key=lambda exhibit: exhibit.number)
}
