from workers.protocols.skip_cache cimport SkipCache

cdef class AsynchronousBypass(SkipCache):
    pass
