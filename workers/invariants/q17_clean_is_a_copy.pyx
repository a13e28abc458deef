"""Q17. Reclaim drops a clean folio without writing it: whoever faults it next reads the slot.

A page that a program has stored to is dirty by its PTE until it is unmapped.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, PG_UPTODATE, PG_WRITEBACK, folio_nr_pages, folio_t
from shm.layout cimport layout_t, payload_of, ptes_of
from shm.mm cimport MM_UNUSED, PTE_DIRTY, pte_pfn, pte_present
from shm.slots cimport slot_has_references
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from workers.invariants.law cimport (
    Law, cached_at, entry_exists, finding_t, give_back, scratch_t, slot_copy, slot_of, tell, word_at, zeroed,
)
from workers.mm.content cimport content_identity, content_stamp


cdef uint8_t *stored_to(layout_t *m, scratch_t *s) noexcept nogil:
    """Which pages of memory a dirty PTE maps. In `s`, which the caller gives back; NULL without memory."""
    cdef uint8_t *dirty = <uint8_t *>zeroed(s, m.geo.folios)
    cdef uint32_t mm
    cdef uint64_t page
    cdef uint64_t *ptes
    if dirty == NULL:
        return NULL
    for mm in range(<uint32_t>m.geo.mms):
        if m.mms[mm].state != MM_UNUSED:
            ptes = ptes_of(m, mm)
            for page in range(m.geo.pages):
                if pte_present(ptes[page]) and ptes[page] & PTE_DIRTY and pte_pfn(ptes[page]) < m.geo.folios:
                    dirty[pte_pfn(ptes[page])] = 1
    return dirty


cdef void look(layout_t *m, uint32_t pfn, swp_entry_t entry, finding_t *out) noexcept nogil:
    """One page of a clean folio, against the slot it has."""
    cdef char *copy
    if not entry_exists(m, entry) or cached_at(m, word_at(m, swp_type(entry), swp_offset(entry))) == NULL:
        return  # F1 tells it
    if not slot_has_references(m, slot_of(m, entry)):
        return  # nobody reads it: a program that has gone may have stored to the page, and no PTE tells of it any more
    copy = slot_copy(m, entry)
    if copy == NULL:
        tell(out, b"folio %lu is clean, and slot 0x%lx has no copy", pfn, entry, 0, 0)
    elif content_stamp(copy) != content_stamp(payload_of(m, pfn)) or (
            content_identity(copy) != content_identity(payload_of(m, pfn))):
        tell(out, b"folio %lu is clean: its stamp is 0x%lx, that of slot 0x%lx 0x%lx", pfn,
             content_stamp(payload_of(m, pfn)), entry, content_stamp(copy))


cdef class CleanIsACopy(Law):
    """A folio in the swap cache that is uptodate and clean, by its flag and by its PTEs, holds what its slot holds, if
    anybody refers to that."""

    def __cinit__(self):
        self.id = "Q17"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef scratch_t marks
        cdef uint8_t *dirty = NULL  # looked up for the first clean folio: mostly there is none
        cdef uint32_t pfn, i
        cdef folio_t *folio
        for pfn in range(1, <uint32_t>m.geo.folios):
            folio = &m.folios[pfn]
            if folio.head != pfn or folio.order > 9 or (
                    folio.flags & (PG_SWAPCACHE | PG_UPTODATE | PG_DIRTY | PG_WRITEBACK) != (PG_SWAPCACHE | PG_UPTODATE)):
                continue
            if dirty == NULL:
                dirty = stored_to(m, &marks)
            if dirty == NULL:
                tell(out, b"not looked at: no memory for %lu marks", m.geo.folios, 0, 0, 0)
                return
            for i in range(folio_nr_pages(folio)):
                if pfn + i < m.geo.folios and not dirty[pfn + i]:
                    look(m, pfn + i, folio.swap + i, out)
        if dirty != NULL:
            give_back(&marks)
