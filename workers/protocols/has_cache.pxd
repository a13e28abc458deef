from workers.protocols.base cimport Protocol

cdef class HasCache(Protocol):
    pass
