"""L3. A claim that outlives its owner locks everybody out of the slot for ever: losers retry tick after tick."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, percpu_of
from shm.slots cimport slot_byte
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_folio
from shm.vmstat cimport WARN_CLAIM_LEFT
from workers.invariants.law cimport Law, finding_t, tell, word_at


cdef class ClaimsEnd(Law):
    """Every claim ends: at rest no CPU holds one, and SWAP_HAS_CACHE stands only where the table holds a folio."""

    def __cinit__(self):
        self.id = "L3"
        self.points = ("L",)
        self.noticed[WARN_CLAIM_LEFT] = b"CPU %lu left a claim: entry 0x%lx (0x%lx, 0x%lx)"

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t cpu
        cdef uint64_t i, slots = m.geo.slots
        for cpu in range(<uint32_t>m.geo.cpus):
            if percpu_of(m, cpu).claimed_entry != 0 or percpu_of(m, cpu).reserved_entry != 0:
                tell(out, b"CPU %lu holds claim 0x%lx, reservation 0x%lx", cpu, percpu_of(m, cpu).claimed_entry,
                     percpu_of(m, cpu).reserved_entry, 0)
        for i in range(slots * m.geo.devices):
            if slot_byte(m, i) & SWAP_HAS_CACHE and not swp_tb_is_folio(word_at(m, <uint32_t>(i // slots), i % slots)):
                tell(out, b"device %lu slot %lu: the byte is 0x%lx, and the table holds no folio", i // slots,
                     i % slots, slot_byte(m, i), 0)
