"""Atomics on words of the segment, typed by width. One order each, named when it is not the strong one.

SWAPRACE_PLAIN_TABLE makes the swap table's store plain: the mutation that ThreadSanitizer must report (make tsan).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from * nogil:
    """
    #ifndef SWAPRACE_ATOMIC_H
    #define SWAPRACE_ATOMIC_H
    #include <stdint.h>
    #define SR_LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define SR_LOAD_RELAXED(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    #define SR_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define SR_STORE_RELAXED(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
    #define SR_ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
    #define SR_XCHG(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
    #define SR_OR(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
    #define SR_AND(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
    #define SR_FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)
    #ifdef SWAPRACE_PLAIN_TABLE
    #define SR_TABLE_STORE(p, v) (*(p) = (v))
    #else
    #define SR_TABLE_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #endif
    static inline int sr_cas64(uint64_t *p, uint64_t from, uint64_t to) {
        return __atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
    }
    static inline int sr_cas32(uint32_t *p, uint32_t from, uint32_t to) {
        return __atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
    }
    static inline int sr_cas_i32(int32_t *p, int32_t from, int32_t to) {
        return __atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
    }
    #if defined(__x86_64__)
    #define SR_PAUSE() __builtin_ia32_pause()
    #else
    #define SR_PAUSE() __atomic_signal_fence(__ATOMIC_SEQ_CST)
    #endif
    #endif
    """
    uint8_t load8 "SR_LOAD"(uint8_t *p) noexcept
    uint16_t load16 "SR_LOAD"(uint16_t *p) noexcept
    uint32_t load32 "SR_LOAD"(uint32_t *p) noexcept
    int32_t load_i32 "SR_LOAD"(int32_t *p) noexcept
    uint64_t load64 "SR_LOAD"(uint64_t *p) noexcept
    int64_t load_i64 "SR_LOAD"(int64_t *p) noexcept
    uint64_t load64_relaxed "SR_LOAD_RELAXED"(uint64_t *p) noexcept
    void store8 "SR_STORE"(uint8_t *p, uint8_t v) noexcept
    void store16 "SR_STORE"(uint16_t *p, uint16_t v) noexcept
    void store32 "SR_STORE"(uint32_t *p, uint32_t v) noexcept
    void store_i32 "SR_STORE"(int32_t *p, int32_t v) noexcept
    void store64 "SR_STORE"(uint64_t *p, uint64_t v) noexcept
    void store_i64 "SR_STORE"(int64_t *p, int64_t v) noexcept
    void store64_relaxed "SR_STORE_RELAXED"(uint64_t *p, uint64_t v) noexcept
    void table_store64 "SR_TABLE_STORE"(uint64_t *p, uint64_t v) noexcept
    uint32_t add32 "SR_ADD"(uint32_t *p, uint32_t v) noexcept
    int32_t add_i32 "SR_ADD"(int32_t *p, int32_t v) noexcept
    int64_t add_i64 "SR_ADD"(int64_t *p, int64_t v) noexcept
    uint64_t add64 "SR_ADD"(uint64_t *p, uint64_t v) noexcept
    uint16_t xchg16 "SR_XCHG"(uint16_t *p, uint16_t v) noexcept
    uint32_t xchg32 "SR_XCHG"(uint32_t *p, uint32_t v) noexcept
    uint64_t xchg64 "SR_XCHG"(uint64_t *p, uint64_t v) noexcept
    uint32_t fetch_or32 "SR_OR"(uint32_t *p, uint32_t v) noexcept
    uint32_t fetch_and32 "SR_AND"(uint32_t *p, uint32_t v) noexcept
    uint64_t fetch_or64 "SR_OR"(uint64_t *p, uint64_t v) noexcept
    bint cas64 "sr_cas64"(uint64_t *p, uint64_t expected, uint64_t desired) noexcept
    bint cas32 "sr_cas32"(uint32_t *p, uint32_t expected, uint32_t desired) noexcept
    bint cas_i32 "sr_cas_i32"(int32_t *p, int32_t expected, int32_t desired) noexcept
    void fence "SR_FENCE"() noexcept
    void cpu_relax "SR_PAUSE"() noexcept
