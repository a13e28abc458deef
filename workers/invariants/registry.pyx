"""The table of the laws, and the checker that a run or a cooperative schedule asks."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.snapshot cimport Snapshot
from shm.swapfile cimport SWP_SYNCHRONOUS_IO
from workers.invariants.law cimport ON_SYNCHRONOUS, ON_V1

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
from workers.invariants.c15_cluster_lists import ClusterLists
from workers.invariants.c18_no_new_slots import NoNewSlots
from workers.invariants.f1_cached_flag import CachedFlag
from workers.invariants.f2_cache_holds_reference import CacheHoldsReference
from workers.invariants.f10_cached_charge import CachedCharge
from workers.invariants.l2_waiters_wake import WaitersWake
from workers.invariants.l3_claims_end import ClaimsEnd
from workers.invariants.l4_refused_sleeps import RefusedSleeps
from workers.invariants.l8_lock_order import LockOrder
from workers.invariants.law import ALL
from workers.invariants.p1_swap_pte import SwapPte
from workers.invariants.q1_reference_count import ReferenceCount
from workers.invariants.q2_inuse_pages import InusePages
from workers.invariants.q3_free_pages import FreePages
from workers.invariants.q5_cached_pages import CachedPages
from workers.invariants.q6_swapcached import Swapcached
from workers.invariants.q7_folio_references import FolioReferences
from workers.invariants.q9_nothing_held import NothingHeld
from workers.invariants.q11_cgroup_id import CgroupId
from workers.invariants.q12_swap_charge import SwapCharge
from workers.invariants.q13_memory_charge import MemoryCharge
from workers.invariants.q14_on_mmlist import OnMmlist
from workers.invariants.q15_content import Content
from workers.invariants.q18_after_swapoff import AfterSwapoff
from workers.invariants.q19_after_exit import AfterExit
from workers.invariants.q20_count_memory import CountMemory
from workers.invariants.t5_cgroup_record import CgroupRecord
from workers.invariants.t9_slots_in_use import SlotsInUse
from workers.protocols.registry import nearest

LAWS = {
    law.id: law
    for law in (
        UsedSlots(), CountBounds(), MapByte(), CacheMirror(), CachedIsPinned(), NoCacheBit(),
        FreeIsEmpty(), ShadowIsCounted(), WordKinds(), ExtendTable(), Continuation(), OneFolioOneSlot(),
        ClusterLists(), NoNewSlots(), CachedFlag(), CacheHoldsReference(), CachedCharge(), SwapPte(), ReferenceCount(), InusePages(),
        FreePages(), CachedPages(),
        Swapcached(),
        FolioReferences(), NothingHeld(), CgroupId(), SwapCharge(), MemoryCharge(), OnMmlist(), Content(),
        AfterSwapoff(), AfterExit(), CountMemory(), WaitersWake(), ClaimsEnd(), RefusedSleeps(), LockOrder(), CgroupRecord(), SlotsInUse(),
    )
}


cdef bint is_excused(layout_t *m, int unless) noexcept nogil:
    """Whether it is known that the law does not hold here."""
    if unless == ON_V1:
        return m.control.memcg_version == 1
    return unless == ON_SYNCHRONOUS and m.si[0].flags & SWP_SYNCHRONOUS_IO


cdef class Link:
    """One law in a chain. A chain, not an array: compiled code may call through it without the GIL."""

    cdef bint at_rest(self, layout_t *m) noexcept nogil:
        cdef uint64_t before = self.finding.count
        cdef bint found
        if not is_excused(m, self.unless):
            self.law.at_rest(m, &self.finding)
        found = self.finding.count != before
        if not self.last and self.next.at_rest(m):
            return True
        return found

    cdef bint on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil:
        cdef uint64_t before = self.finding.count
        cdef bint found
        self.law.on_cluster(m, device, cluster, &self.finding)
        found = self.finding.count != before
        if not self.last and self.next.on_cluster(m, device, cluster):
            return True
        return found


cdef Link chain(list laws, str protocol=None):
    """The links of `laws`, in their order, as `protocol` is asked for them; None for an empty list."""
    cdef Link head = None, link
    for law in reversed(laws):
        link = Link.__new__(Link)
        link.law = law
        link.unless = law.unless.get(protocol, 0)
        link.next = head
        link.last = head is None
        head = link
    return head


cdef list told(Link head):
    cdef list findings = []
    cdef Link link = head
    while link is not None:
        if link.finding.count:
            findings.append({
                "law": link.law.id,
                "sentence": link.law.sentence,
                "detail": link.finding.text.decode("utf-8", "replace"),
                "count": link.finding.count,
            })
        link = link.next
    return findings


cdef void forget(Link head):
    cdef Link link = head
    while link is not None:
        link.finding.count = 0
        link.finding.text[0] = 0
        link = link.next


cdef class Checker:
    """The laws of one protocol, without the GIL: `check_cluster` under a cluster lock, `check_rest` at rest.

    Each returns whether it has found anything this time. Findings add up until `reset`, with the words of the first.
    """

    def __init__(self, protocol: str) -> None:
        protocol = known(protocol)
        laws = list(LAWS.values())
        self.protocol = protocol
        self.rest = chain([law for law in laws if protocol in law.protocols], protocol)
        self.cluster = chain([law for law in laws if protocol in law.cluster_protocols])
        self.any_rest = self.rest is not None
        self.any_cluster = self.cluster is not None

    cdef bint check_rest(self, layout_t *m) noexcept nogil:
        return self.any_rest and self.rest.at_rest(m)

    cdef bint check_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil:
        return self.any_cluster and self.cluster.on_cluster(m, device, cluster)

    def look_at_rest(self, Snapshot snapshot) -> bool:
        """`check_rest` of a segment at rest; whether a law is broken."""
        cdef bint found
        with nogil:
            found = self.check_rest(&snapshot.m)
        return found

    def look_on_cluster(self, Snapshot snapshot, uint32_t device, uint64_t cluster) -> bool:
        """`check_cluster` of one cluster; whether a law is broken. IndexError: there is no such cluster."""
        cdef bint found
        if device >= snapshot.m.geo.devices or cluster >= snapshot.m.clusters_per_device:
            raise IndexError(f"device {device} cluster {cluster}: the segment has {snapshot.m.geo.devices} devices of"
                             f" {snapshot.m.clusters_per_device} clusters")
        with nogil:
            found = self.check_cluster(&snapshot.m, device, cluster)
        return found

    def findings(self) -> list[dict]:
        """Laws found broken since the last reset, one dict each: law, sentence, detail of the first breach, count."""
        merged = {}
        for finding in told(self.cluster) + told(self.rest):
            if finding["law"] in merged:
                merged[finding["law"]]["count"] += finding["count"]
            else:
                merged[finding["law"]] = finding
        return [merged[law] for law in LAWS if law in merged]

    def reset(self) -> None:
        """Forget all findings."""
        forget(self.cluster)
        forget(self.rest)


def known(protocol: str) -> str:
    """The name in the catalogue: of `protocol`, or of what an external one derives from. ValueError: neither."""
    protocol = nearest(protocol)
    if protocol not in ALL:
        raise ValueError(f"no laws for protocol {protocol!r}: the catalogue has {', '.join(ALL)}")
    return protocol


def laws_for(protocol: str, *, under_cluster_lock: bool = False) -> list[str]:
    """Ids of the laws that `protocol` must keep at rest, or under every cluster lock. ValueError: unknown."""
    protocol = known(protocol)
    return [
        law.id for law in LAWS.values() if protocol in (law.cluster_protocols if under_cluster_lock else law.protocols)
    ]


def check_at_rest(buf, protocol: str) -> list[dict]:
    """Look at a formatted segment at rest with all laws of `protocol`; the findings as of `Checker.findings`.

    `buf` gives the buffer protocol, read-only or not. ValueError: unknown protocol; SegmentError: not a segment.
    """
    checker = Checker(protocol)
    with open_snapshot(buf) as snapshot:
        checker.look_at_rest(snapshot)
    return checker.findings()


def check_known(buf, protocol: str) -> list[dict]:
    """Look at a segment at rest with the laws that `protocol` is known to break: findings as of `Checker.findings`, and
    with each, as `known`, its museum number and why. They are no news, and no run fails by them. Errors as check_at_rest.
    """
    protocol = known(protocol)
    cdef Link head = chain([law for law in LAWS.values() if protocol in law.known_broken])
    cdef Snapshot snapshot
    with open_snapshot(buf) as snapshot:
        if head is not None:
            head.at_rest(&snapshot.m)
    return [{**finding, "known": LAWS[finding["law"]].known_broken[protocol]} for finding in told(head)]
