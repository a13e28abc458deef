"""charge_before_insert: swap_table with 7.1's order: charged to whom the slot is recorded for, then inserted (museum 28).

- Kernel: 7.1 (9acbe135588e); until the insertion itself takes the id, as phase IV proposes.
- Holder: the folio in the table, as in swap_table. Nothing pins the slot while its folio is charged.
- Loser: finds the winner's folio and sleeps on its lock.
- Cost: a slot that is freed and used again meanwhile gets a folio that its former cgroup pays for.
"""
from workers.protocols.swap_table cimport SwapTable


cdef class ChargeBeforeInsert(SwapTable):
    def __cinit__(self):
        self.name = "charge_before_insert"
        self.charges_first = True
