"""The table of the laws, and the checker that a run or a cooperative schedule asks."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, percpu_of
from shm.snapshot cimport Snapshot
from shm.vmstat cimport NR_WARNINGS
from workers.invariants.chain cimport Chain
from workers.invariants.law cimport StepLaw

from shm.snapshot import Snapshot as open_snapshot
from workers.invariants.c1_used_slots import UsedSlots
from workers.invariants.c2_count_bounds import CountBounds
from workers.invariants.c3_map_byte import MapByte
from workers.invariants.c4_cache_mirror import CacheMirror
from workers.invariants.c5_cached_is_pinned import CachedIsPinned
from workers.invariants.c7_no_cache_bit import NoCacheBit
from workers.invariants.c8_free_is_empty import FreeIsEmpty
from workers.invariants.c9_shadow_is_counted import ShadowIsCounted
from workers.invariants.c10_word_kinds import WordKinds
from workers.invariants.c11_extend_table import ExtendTable
from workers.invariants.c12_continuation import Continuation
from workers.invariants.c13_one_folio_one_slot import OneFolioOneSlot
from workers.invariants.c14_aligned_range import AlignedRange
from workers.invariants.c15_cluster_lists import ClusterLists
from workers.invariants.c16_list_of_order import ListOfOrder
from workers.invariants.c17_no_table_no_slot import NoTableNoSlot
from workers.invariants.c18_no_new_slots import NoNewSlots
from workers.invariants.c19_copies_of_used_slots import CopiesOfUsedSlots
from workers.invariants.f1_cached_flag import CachedFlag
from workers.invariants.f2_cache_holds_reference import CacheHoldsReference
from workers.invariants.f3_cache_under_lock import CacheUnderLock
from workers.invariants.f4_writeback_is_cached import WritebackIsCached
from workers.invariants.f5_reader_owns import ReaderOwns
from workers.invariants.f6_read_before_unlock import ReadBeforeUnlock
from workers.invariants.f7_dirty_when_alone import DirtyWhenAlone
from workers.invariants.f8_frozen_is_clean import FrozenIsClean
from workers.invariants.f9_exclusive_is_alone import ExclusiveIsAlone
from workers.invariants.f10_cached_charge import CachedCharge
from workers.invariants.f11_page_cache import PageCache
from workers.invariants.f12_cached_is_swapbacked import CachedIsSwapbacked
from workers.invariants.l2_waiters_wake import WaitersWake
from workers.invariants.l3_claims_end import ClaimsEnd
from workers.invariants.l4_refused_sleeps import RefusedSleeps
from workers.invariants.l5_retry_has_a_cause import RetryHasACause
from workers.invariants.l6_swapoff_ends import SwapoffEnds
from workers.invariants.l7_oom_has_a_cause import OomHasACause
from workers.invariants.l8_lock_order import LockOrder
from workers.invariants.law import ALL
from workers.invariants.p1_swap_pte import SwapPte
from workers.invariants.p2_exclusive_entry import ExclusiveEntry
from workers.invariants.p3_slot_kept import SlotKept
from workers.invariants.p4_counts_follow import CountsFollow
from workers.invariants.p5_rmap_finds import RmapFinds
from workers.invariants.q1_reference_count import ReferenceCount
from workers.invariants.q2_inuse_pages import InusePages
from workers.invariants.q3_free_pages import FreePages
from workers.invariants.q4_available import Available
from workers.invariants.q5_cached_pages import CachedPages
from workers.invariants.q6_swapcached import Swapcached
from workers.invariants.q7_folio_references import FolioReferences
from workers.invariants.q8_bit_is_cache import BitIsCache
from workers.invariants.q9_nothing_held import NothingHeld
from workers.invariants.q10_cache_can_go import CacheCanGo
from workers.invariants.q11_cgroup_id import CgroupId
from workers.invariants.q12_swap_charge import SwapCharge
from workers.invariants.q13_memory_charge import MemoryCharge
from workers.invariants.q14_on_mmlist import OnMmlist
from workers.invariants.q15_content import Content
from workers.invariants.q16_one_copy import OneCopy
from workers.invariants.q17_clean_is_a_copy import CleanIsACopy
from workers.invariants.q18_after_swapoff import AfterSwapoff
from workers.invariants.q19_after_exit import AfterExit
from workers.invariants.q20_count_memory import CountMemory
from workers.invariants.q21_file_counts import FileCounts
from workers.invariants.q22_zswap_pool import ZswapPool
from workers.invariants.q23_large_entries import LargeEntries
from workers.invariants.q24_outside_vmas import OutsideVmas
from workers.invariants.t1_first_reference import FirstReference
from workers.invariants.t2_free_unused import FreeUnused
from workers.invariants.t3_insertion import Insertion
from workers.invariants.t4_good_copy import GoodCopy
from workers.invariants.t5_cgroup_record import CgroupRecord
from workers.invariants.t7_block_dropped import BlockDropped
from workers.invariants.t8_one_generation import OneGeneration
from workers.invariants.t9_slots_in_use import SlotsInUse
from workers.invariants.t10_zeroes_alike import ZeroesAlike
from workers.protocols.registry import nearest

LAWS = {
    law.id: law
    for law in (
        UsedSlots(), CountBounds(), MapByte(), CacheMirror(), CachedIsPinned(), NoCacheBit(),
        FreeIsEmpty(), ShadowIsCounted(), WordKinds(), ExtendTable(), Continuation(), OneFolioOneSlot(),
        AlignedRange(), ClusterLists(), ListOfOrder(), NoTableNoSlot(), NoNewSlots(), CopiesOfUsedSlots(),
        CachedFlag(), CacheHoldsReference(), CacheUnderLock(), WritebackIsCached(),
        ReaderOwns(), ReadBeforeUnlock(), DirtyWhenAlone(), FrozenIsClean(), ExclusiveIsAlone(), CachedCharge(), PageCache(), CachedIsSwapbacked(), SwapPte(), ExclusiveEntry(),
        SlotKept(), CountsFollow(), RmapFinds(),
        ReferenceCount(), InusePages(), FreePages(), Available(), CachedPages(), Swapcached(), FolioReferences(), BitIsCache(),
        NothingHeld(), CacheCanGo(),
        CgroupId(), SwapCharge(), MemoryCharge(), OnMmlist(), Content(), OneCopy(),
        CleanIsACopy(), AfterSwapoff(), AfterExit(), CountMemory(), FileCounts(), ZswapPool(), LargeEntries(), OutsideVmas(),
        WaitersWake(), ClaimsEnd(), RefusedSleeps(), RetryHasACause(), SwapoffEnds(), OomHasACause(), LockOrder(), FirstReference(), FreeUnused(), Insertion(), GoodCopy(), CgroupRecord(),
        BlockDropped(), OneGeneration(), SlotsInUse(), ZeroesAlike(),
    )
}


cdef class Checker:
    """The laws of one protocol, without the GIL: at rest, and at each place where a lock is released or a step warns.

    Each check returns whether it has found anything this time. Findings add up until `reset`, with the words of the first.
    Laws that hold of what is plainly sound (plain.pxd) are not asked of it; without `glance` they are, to the same effect.
    """

    def __init__(self, protocol: str, glance: bool = True) -> None:
        protocol = known(protocol)
        laws = list(LAWS.values())
        self.protocol = protocol
        self.rest = Chain([law for law in laws if protocol in law.protocols and not isinstance(law, StepLaw)], protocol,
                          glance)
        self.cluster = Chain([law for law in laws if protocol in law.cluster_protocols], glance=glance)
        self.folio = Chain([law for law in laws if protocol in law.folio_protocols], glance=glance)
        self.page = Chain([law for law in laws if protocol in law.page_protocols])
        self.steps = Chain([law for law in laws if protocol in law.protocols and law.warnings], protocol)
        self.known = Chain([law for law in laws if protocol in law.known_broken], protocol)

    cdef bint check_warned(self, layout_t *m) noexcept nogil:
        """What the steps have warned of since memory was reset. Context: none; the warnings are their CPUs' own."""
        cdef uint32_t warned = 0, cpu
        cdef int warning
        cdef bint broken = False
        for cpu in range(<uint32_t>m.geo.cpus):
            warned |= percpu_of(m, cpu).warned
        for warning in range(NR_WARNINGS):
            if warned >> warning & 1 and self.steps.on_warning(m, warning):
                broken = True
        return broken

    cdef bint check_rest(self, layout_t *m) noexcept nogil:
        """Memory at rest, and what the steps have warned of since it was reset."""
        cdef bint broken = self.check_warned(m)
        return self.rest.at_rest(m) or broken

    cdef void note_known(self, layout_t *m) noexcept nogil:
        """Memory at rest, with the laws that the protocol is known to break here: they make nothing illegal."""
        self.known.where_excused(m)

    cdef bint check_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil:
        """Context: that cluster's lock held, or nobody at work."""
        return self.cluster.on_cluster(m, device, cluster)

    cdef bint check_folio(self, layout_t *m, uint32_t pfn) noexcept nogil:
        """Context: that folio's lock held, or nobody at work."""
        return self.folio.on_folio(m, pfn)

    cdef bint check_pages(self, layout_t *m, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil:
        """Pages [first, end) of an mm. Context: their page-table lock held, or nobody at work."""
        return self.page.on_pages(m, mm, first, end)

    cdef bint check_warning(self, layout_t *m, int warning) noexcept nogil:
        """A step has just given that warning."""
        return self.steps.on_warning(m, warning)

    def look_at_rest(self, Snapshot snapshot) -> bool:
        """`check_rest` of a segment at rest; whether a law is broken."""
        cdef bint found
        with nogil:
            found = self.check_rest(&snapshot.m)
        return found

    def look_warned(self, Snapshot snapshot) -> bool:
        """`check_warned` of a segment, at rest or not; whether a law is broken."""
        cdef bint found
        with nogil:
            found = self.check_warned(&snapshot.m)
        return found

    def look_known(self, Snapshot snapshot) -> None:
        """`note_known` of a segment at rest."""
        with nogil:
            self.note_known(&snapshot.m)

    def look_on_cluster(self, Snapshot snapshot, uint32_t device, uint64_t cluster) -> bool:
        """`check_cluster` of one cluster; whether a law is broken. IndexError: there is no such cluster."""
        cdef bint found
        if device >= snapshot.m.geo.devices or cluster >= snapshot.m.clusters_per_device:
            raise IndexError(f"device {device} cluster {cluster}: the segment has {snapshot.m.geo.devices} devices of"
                             f" {snapshot.m.clusters_per_device} clusters")
        with nogil:
            found = self.check_cluster(&snapshot.m, device, cluster)
        return found

    def look_on_folio(self, Snapshot snapshot, uint32_t pfn) -> bool:
        """`check_folio` of one folio; whether a law is broken. IndexError: there is no such folio."""
        cdef bint found
        if not 0 < pfn < snapshot.m.geo.folios:
            raise IndexError(f"folio {pfn}: the segment has folios 1 to {snapshot.m.geo.folios - 1}")
        with nogil:
            found = self.check_folio(&snapshot.m, pfn)
        return found

    def look_on_pages(self, Snapshot snapshot, uint32_t mm, uint64_t first, uint64_t end) -> bool:
        """`check_pages` of pages [first, end) of an mm; whether a law is broken. IndexError: there are no such pages."""
        cdef bint found
        if mm >= snapshot.m.geo.mms or end > snapshot.m.geo.pages:
            raise IndexError(f"mm {mm} pages {first} to {end}: the segment has {snapshot.m.geo.mms} mms of"
                             f" {snapshot.m.geo.pages} pages")
        with nogil:
            found = self.check_pages(&snapshot.m, mm, first, end)
        return found

    def findings(self) -> list[dict]:
        """Laws found broken since the last reset, one dict each: law, sentence, detail of the first breach, count."""
        merged = {}
        for chain in self.chains():
            for finding in chain.told():
                if finding["law"] in merged:
                    merged[finding["law"]]["count"] += finding["count"]
                else:
                    merged[finding["law"]] = finding
        return [merged[law] for law in LAWS if law in merged]

    def known_findings(self) -> list[dict]:
        """What `note_known` has seen broken: as `findings`, and with each, as `known`, its museum number and why."""
        return [{**finding, "known": LAWS[finding["law"]].known_broken[self.protocol]} for finding in self.known.told()]

    def reset(self) -> None:
        """Forget all findings, but those that are known."""
        for chain in self.chains():
            chain.forget()

    cdef tuple chains(self):
        return self.steps, self.cluster, self.folio, self.page, self.rest


def known(protocol: str) -> str:
    """The name in the catalogue: of `protocol`, or of what an external one derives from. ValueError: neither."""
    protocol = nearest(protocol)
    if protocol not in ALL:
        raise ValueError(f"no laws for protocol {protocol!r}: the catalogue has {', '.join(ALL)}")
    return protocol


def laws_for(protocol: str, *, at_every_unlock: bool = False) -> list[str]:
    """Ids of the laws that `protocol` must keep at rest, or wherever a lock is released or a step warns. ValueError: unknown."""
    protocol = known(protocol)
    if not at_every_unlock:
        return [law.id for law in LAWS.values() if protocol in law.protocols]
    return [
        law.id for law in LAWS.values()
        if protocol in law.cluster_protocols + law.folio_protocols + law.page_protocols
        or (protocol in law.protocols and law.warnings)
    ]


def check_at_rest(buf, protocol: str) -> list[dict]:
    """Look at a formatted segment at rest with all laws of `protocol`; the findings as of `Checker.findings`.

    `buf` gives the buffer protocol, read-only or not. ValueError: unknown protocol; SegmentError: not a segment.
    """
    checker = Checker(protocol)
    with open_snapshot(buf) as snapshot:
        checker.look_at_rest(snapshot)
    return checker.findings()


def check_warned(buf, protocol: str) -> list[dict]:
    """What the steps of a run have warned of, in a segment whose CPUs never came to rest: findings as of
    `Checker.findings`. The laws of memory at rest are not looked at. Errors as check_at_rest.
    """
    checker = Checker(protocol)
    with open_snapshot(buf) as snapshot:
        checker.look_warned(snapshot)
    return checker.findings()


def check_known(buf, protocol: str) -> list[dict]:
    """Look at a segment at rest with the laws that `protocol` is known to break: findings as of `Checker.findings`, and
    with each, as `known`, its museum number and why. They are no news, and no run fails by them. Errors as check_at_rest.
    """
    checker = Checker(protocol)
    with open_snapshot(buf) as snapshot:
        checker.look_known(snapshot)
    return checker.known_findings()
