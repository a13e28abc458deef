"""Errors of the core, negative like the kernel's. One meaning each.

ENOENT   the slot has no reference (any more), or its cluster no table
EEXIST   somebody else's folio, or claim, is there
ENOMEM   no folio, no table, no slot, or the charge failed
EAGAIN   the world changed in between: look again
EINTR    the run is being stopped
EBUSY    what was asked for is under way already, or somebody uses what was to go
ENODEV   the memcg is gone
"""
cdef enum:
    ENOENT = -2
    EINTR = -4
    EIO = -5
    EAGAIN = -11
    ENOMEM = -12
    EBUSY = -16
    EEXIST = -17
    ENODEV = -19
