"""charge_after_insert: swap_table_count with 7.0's order: into the cache first, charged then (museum 27).

- Kernel: 7.0 (9acbe135588e charges first).
- Holder: the folio in the table, as in swap_table_count.
- Loser: finds the winner's folio and sleeps on its lock, over its charge too.
- Cost: the insertion is counted for no memcg, the removal for the one that was charged: its swapcached statistic drifts.
"""
from workers.protocols.swap_table_count cimport SwapTableCount


cdef class ChargeAfterInsert(SwapTableCount):
    def __cinit__(self):
        self.name = "charge_after_insert"
        self.charges_first = False
