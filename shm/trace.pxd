"""The trace ring of a CPU: the last events, one writer, overwritten when full. For diagrams and for evidence."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

cdef enum:  # trace_kind
    TRACE_NONE = 0
    TRACE_SWAP_IN
    TRACE_TICK_SLEEP
    TRACE_FOLIO_WAIT
    TRACE_ADD_FOLIO
    TRACE_DEL_FOLIO
    TRACE_FREE_SLOT
    TRACE_ALLOC_SLOT
    TRACE_WARN
    TRACE_SWAPOFF
    TRACE_WAIT  # is over: pfn is its ns, arg its cause; so with TRACE_TICK_SLEEP
    NR_TRACE_KINDS

cdef struct trace_record:
    uint64_t at_ns
    uint64_t entry
    uint32_t pfn
    uint16_t kind
    uint16_t arg
