"""The memory of an execution's heads, and the fingerprint of memory."""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from workers.schedulers.schedule cimport mix64


cdef void regions_add(regions_t *r, const void *base, uint64_t bytes) noexcept nogil:
    """Compare this memory too; a last part that is no whole word is left out."""
    if bytes >= 8 and r.nr < MAX_REGIONS:
        r.base[r.nr] = <const uint64_t *>base
        r.words[r.nr] = bytes // 8
        r.nr += 1


cdef uint64_t fingerprint(const regions_t *r) noexcept nogil:
    """64 bits of what the regions hold. Equal memory has equal ones; unequal memory, with a chance of 2^-64."""
    cdef uint64_t hash = 0, i
    cdef int region
    for region in range(r.nr):
        for i in range(r.words[region]):
            hash = (hash ^ r.base[region][i]) * <uint64_t>0x9FB21C651E98DF25
            hash ^= hash >> 32
    return mix64(hash)


cdef void lasso_begin(lasso_t *l) noexcept nogil:
    """An execution begins: nothing has been seen."""
    l.nr_heads = 0
    l.length = 0


cdef void lasso_head(lasso_t *l, uint64_t hash, uint64_t step) noexcept nogil:
    """Step number `step` is a head: follow the lasso when the same head was seen, else remember it."""
    cdef uint64_t i, kept = l.nr_heads if l.nr_heads < HEADS else <uint64_t>HEADS
    for i in range(kept):
        if l.hashes[i] == hash:
            l.first = l.steps[i]
            l.length = step - l.first
            l.hash = hash
            memset(l.fair, 0, sizeof(l.fair))
            l.nr_heads = 0
            return
    l.hashes[l.nr_heads % HEADS] = hash
    l.steps[l.nr_heads % HEADS] = step
    l.nr_heads += 1
