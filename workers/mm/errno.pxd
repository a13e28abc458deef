"""Errors of the core, negative like the kernel's. One meaning each.

ENOENT   the slot has no reference (any more), or its cluster no table, or the address no page
EEXIST   somebody else's folio, claim, or page is there
ENOMEM   no folio, no table, no slot, the charge failed, or advice for a page that no VMA has
EAGAIN   the world changed in between: look again
EINTR    the run is being stopped
EBUSY    what was asked for is under way already, or somebody (else) uses what was to go
EFAULT   no VMA has the page, or it is lost and asked to move
ENODEV   the memcg is gone
EINVAL   the device that an entry names is gone
"""
cdef enum:
    ENOENT = -2
    EINTR = -4
    EIO = -5
    EAGAIN = -11
    ENOMEM = -12
    EFAULT = -14
    EBUSY = -16
    EEXIST = -17
    ENODEV = -19
    EINVAL = -22
