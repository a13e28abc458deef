"""Log-linear latency histogram: 128 buckets an octave, so a value is known within 0.8 %. One writer each.

Values below 256 ns have a bucket each; above, bucket = 128 * octave + the seven bits below the leading one.
"""
from libc.stdint cimport uint32_t, uint64_t

cdef extern from * nogil:
    """
    static inline int sr_msb(unsigned long long v) { return 63 - __builtin_clzll(v); }
    """
    int msb "sr_msb"(uint64_t v) noexcept

cdef enum:
    SUB_BITS = 7
    SUB_BUCKETS = 128
    MAX_SHIFT = 33  # values up to 2^41 ns, 36 minutes
    NR_BUCKETS = (MAX_SHIFT + 2) * SUB_BUCKETS

cdef struct histogram_t:
    uint64_t total
    uint64_t sum_ns
    uint64_t max_ns
    uint64_t pad
    uint64_t counts[NR_BUCKETS]

cdef inline uint32_t bucket_of(uint64_t ns) noexcept nogil:
    cdef int shift
    if ns < 2 * SUB_BUCKETS:
        return <uint32_t>ns
    shift = msb(ns) - SUB_BITS
    if shift > MAX_SHIFT:
        return NR_BUCKETS - 1
    return <uint32_t>(shift * SUB_BUCKETS + (ns >> shift))

cdef inline uint64_t bucket_lower(uint32_t bucket) noexcept nogil:
    cdef int shift
    if bucket < 2 * SUB_BUCKETS:
        return bucket
    shift = <int>(bucket / SUB_BUCKETS) - 1
    return <uint64_t>(SUB_BUCKETS + bucket % SUB_BUCKETS) << shift

cdef inline void histogram_add(histogram_t *h, uint64_t ns) noexcept nogil:
    h.total += 1
    h.sum_ns += ns
    if ns > h.max_ns:
        h.max_ns = ns
    h.counts[bucket_of(ns)] += 1
