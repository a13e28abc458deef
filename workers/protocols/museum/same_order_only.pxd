from workers.protocols.has_cache_waitqueue cimport HasCacheWaitqueue

cdef class SameOrderOnly(HasCacheWaitqueue):
    pass
