"""zswap."""

from __future__ import annotations

from workers.exhibits.exhibit import Exhibit

ZSWAP: tuple[Exhibit, ...] = (
    Exhibit(
        3,
        "zswap gives its copy to a fault that throws it away",
        2024,
        "exclusive_bypass",
        "has_cache",
        "zswap_faults_move",
        ("Q15", "Q16"),
        "A fault reads a slot past the swap cache, and zswap drops its entry as it does for a folio that stays. The "
        "fault finds its PTE changed and drops the page: whoever has the entry now reads the device, which never "
        "had the page.",
        "25cd241408a2, after b9c91c43412f",
    ),
    Exhibit(
        4,
        "zswap writes a page to a slot that is another one's now",
        2023,
        "writeback_without_compare",
        "has_cache",
        "zswap_writeback_recycled",
        ("Q15", "T4", "Q17", "Q22"),
        "The shrinker takes an entry off its list and lets go of the lock. The slot is freed and gets another page, "
        "which zswap keeps too. The shrinker writes the page that it has, over the one whose slot it is.",
        "CVE-2023-53178; 04fc7816089c looks again once its folio is in the swap cache",
    ),
    Exhibit(
        6,
        "zswap looks for a slot of a device that is gone",
        2024,
        "writeback_without_device",
        "has_cache",
        "zswap_writeback_swapoff",
        ("T9",),
        "The shrinker picks an entry and lets go of the lock. A swapoff brings the page in and takes the device down; "
        "the shrinker looks into what was freed.",
        "5878303c5353 keeps the slot's number alone, and pins its device",
    ),
    Exhibit(
        10,
        "A swap-in waits for its own claim",
        2023,
        "writeback_waits",
        "has_cache",
        "zswap_recursion",
        ("L2",),
        "A readahead claims a slot and charges its folio. The memcg is full, so the charge reclaims, and zswap "
        "shrinks: the entry that it meets is that of the claimed slot, and it waits for the claim to end, for ever.",
        "a65b0e7607ccb, skip_if_exists",
    ),
)
