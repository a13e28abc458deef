"""What a page holds: whose it is, which store was the last, and a pattern that follows from both.

    word 0  identity: anon_vma << 32 | page, given at the first touch, kept by fork and copy on write
    word 1  stamp of the last store: CPU + 1 << 48 | count
    word 2..  (identity ^ stamp) * odd constant + index

Until the first store a page is all zeroes, and nobody's.

A device without stable writes may read a page while its program stores to it, as in the kernel: the page is dirty again
then, and what was written is never used. So stores and the copy to the device go word by word, each one atomic.
"""
from libc.stdint cimport uint64_t
from shm.atomic cimport load64_relaxed, store64_relaxed

cdef enum:
    STAMP_CPU_SHIFT = 48

cdef inline uint64_t pattern(uint64_t identity, uint64_t stamp) noexcept nogil:
    return (identity ^ stamp) * <uint64_t>0x9E3779B97F4A7C15

cdef inline void content_clear(char *payload, uint64_t bytes) noexcept nogil:
    """A page that nothing has been stored to."""
    cdef uint64_t i
    for i in range(bytes // 8):
        store64_relaxed(&(<uint64_t *>payload)[i], 0)

cdef inline bint content_is_zero(char *payload, uint64_t bytes) noexcept nogil:
    cdef uint64_t i
    for i in range(bytes // 8):
        if load64_relaxed(&(<uint64_t *>payload)[i]):
            return False
    return True

cdef inline void content_write(char *payload, uint64_t bytes, uint64_t identity, uint64_t stamp) noexcept nogil:
    """A store; its stamp is not 0."""
    cdef uint64_t *word = <uint64_t *>payload
    cdef uint64_t seed = pattern(identity, stamp), i
    store64_relaxed(&word[0], identity)
    store64_relaxed(&word[1], stamp)
    for i in range(2, bytes // 8):
        store64_relaxed(&word[i], seed + i)

cdef inline void content_copy(char *to, char *payload, uint64_t bytes) noexcept nogil:
    """What a device reads of a page that may be stored to meanwhile."""
    cdef uint64_t i
    for i in range(bytes // 8):
        (<uint64_t *>to)[i] = load64_relaxed(&(<uint64_t *>payload)[i])

cdef inline bint content_intact(char *payload, uint64_t bytes) noexcept nogil:
    cdef uint64_t *word = <uint64_t *>payload
    cdef uint64_t seed = pattern(word[0], word[1]), i, wrong = 0
    if word[1] == 0:
        return content_is_zero(payload, bytes)
    for i in range(2, bytes // 8):
        wrong |= word[i] ^ (seed + i)
    return wrong == 0

cdef inline uint64_t content_identity(char *payload) noexcept nogil:
    return (<uint64_t *>payload)[0]

cdef inline uint64_t content_stamp(char *payload) noexcept nogil:
    return (<uint64_t *>payload)[1]

cdef inline bint content_belongs(char *payload, uint64_t identity) noexcept nogil:
    """Whether the page is the one of that identity; before the first store any is."""
    return content_stamp(payload) == 0 or content_identity(payload) == identity
