"""What a page holds: whose it is, which store was the last, and a pattern that follows from both.

    word 0  identity: anon_vma << 32 | page, given at the first touch, kept by fork and copy on write
    word 1  stamp of the last store: CPU + 1 << 48 | count; 0 until the first store
    word 2..  (identity ^ stamp) * odd constant + index
"""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    STAMP_CPU_SHIFT = 48

cdef inline uint64_t pattern(uint64_t identity, uint64_t stamp) noexcept nogil:
    return (identity ^ stamp) * <uint64_t>0x9E3779B97F4A7C15

cdef inline void content_write(char *payload, uint64_t bytes, uint64_t identity, uint64_t stamp) noexcept nogil:
    cdef uint64_t *word = <uint64_t *>payload
    cdef uint64_t seed = pattern(identity, stamp), i
    word[0] = identity
    word[1] = stamp
    for i in range(2, bytes // 8):
        word[i] = seed + i

cdef inline bint content_intact(char *payload, uint64_t bytes) noexcept nogil:
    cdef uint64_t *word = <uint64_t *>payload
    cdef uint64_t seed = pattern(word[0], word[1]), i, wrong = 0
    for i in range(2, bytes // 8):
        wrong |= word[i] ^ (seed + i)
    return wrong == 0

cdef inline uint64_t content_identity(char *payload) noexcept nogil:
    return (<uint64_t *>payload)[0]

cdef inline uint64_t content_stamp(char *payload) noexcept nogil:
    return (<uint64_t *>payload)[1]
