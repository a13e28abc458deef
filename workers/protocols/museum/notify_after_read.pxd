from workers.protocols.skip_cache cimport SkipCache

cdef class NotifyAfterRead(SkipCache):
    pass
