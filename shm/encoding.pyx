"""The packed words of a segment as Python functions: what the tests, the pages and the documentation ask."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm cimport histogram, mm, swap_map, swap_table, swp_entry as entries

BAD_WORD = swap_table.swp_tb_bad()
NR_BUCKETS = histogram.NR_BUCKETS


def swp_entry(uint32_t device, uint64_t offset) -> int:
    """The swp_entry_t of a slot of a device (0 to 31)."""
    return entries.swp_entry(device, offset)


def decode_swp_entry(uint64_t entry) -> tuple[int, int]:
    """Device and offset of a swp_entry_t."""
    return entries.swp_type(entry), entries.swp_offset(entry)


def pfn_word(uint32_t pfn, uint32_t count=0) -> int:
    """The table word that names a folio; `count` 0 to 15 from 7.1 on."""
    return swap_table.pfn_to_swp_tb(pfn, <uint64_t>count << swap_table.SWP_TB_COUNT_SHIFT)


def shadow_word(uint64_t shadow, uint32_t count=0) -> int:
    """The table word that holds a shadow of up to 59 bits; null for shadow 0 and count 0."""
    return swap_table.shadow_to_swp_tb(shadow, <uint64_t>count << swap_table.SWP_TB_COUNT_SHIFT)


def decode_table_word(uint64_t word) -> tuple[str, int]:
    """What a table word is (`null`, `bad`, `shadow`, `pfn`, `unknown`), and the shadow or PFN in it."""
    if word == swap_table.SWP_TB_NULL:
        return "null", 0
    if word == swap_table.swp_tb_bad():
        return "bad", 0
    if swap_table.swp_tb_is_shadow(word):
        return "shadow", swap_table.swp_tb_to_shadow(word)
    return ("pfn", swap_table.swp_tb_to_pfn(word)) if swap_table.swp_tb_is_folio(word) else ("unknown", 0)


def table_count(uint64_t word) -> int:
    """The count bits of a table word: 15 says that the count stands in the extend table. 0 for a bad word."""
    return swap_table.swp_tb_to_count(word)


def decode_map_byte(uint8_t byte) -> tuple[int, bool, bool]:
    """Count, whether SWAP_HAS_CACHE is set, and whether the slot is bad; a bad slot counts nothing."""
    if byte == swap_map.SWAP_MAP_BAD:
        return 0, False, True
    return swap_map.swap_count(byte), byte & swap_map.SWAP_HAS_CACHE != 0, False


def swap_pte(uint64_t entry, bint exclusive) -> int:
    """The page-table entry of a page that lies in swap."""
    return mm.swp_entry_to_pte(entry, exclusive)


def present_pte(uint32_t pfn, bint write) -> int:
    """The page-table entry of a page that lies in a folio, accessed."""
    return mm.mk_pte(pfn, write)


def decode_pte(uint64_t pte) -> tuple[str, int]:
    """What a page-table entry is (`none`, `present`, `swap`, `migration`, `poisoned`, `unknown`), and its PFN or swp_entry_t."""
    if mm.pte_present(pte):
        return "present", mm.pte_pfn(pte)
    if mm.is_migration_pte(pte):
        return "migration", mm.pte_pfn(pte)
    if mm.is_swap_pte(pte):
        return "swap", mm.pte_to_swp_entry(pte)
    if mm.is_poisoned_pte(pte):
        return "poisoned", 0
    return ("none" if pte == 0 else "unknown"), 0


def bucket_of(uint64_t ns) -> int:
    """The histogram bucket of a latency."""
    return histogram.bucket_of(ns)


def bucket_lower(uint32_t bucket) -> int:
    """The least latency of a bucket, in ns."""
    return histogram.bucket_lower(bucket)
