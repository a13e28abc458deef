"""Clocks of a CPU: the time stamp counter where it is invariant, clock_gettime elsewhere (measured: the clock
costs more than the locks). Cycles become ns by a 32.32 fixed-point factor that `shm.clock.calibrate` measures.
"""
from libc.stdint cimport uint64_t

cdef extern from * nogil:
    """
    #ifndef SWAPRACE_CLOCK_H
    #define SWAPRACE_CLOCK_H
    #include <time.h>
    #include <stdint.h>
    static inline uint64_t sr_clock_ns(void) {
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
    }
    #if defined(__x86_64__)
    static inline uint64_t sr_cycles(void) { return __builtin_ia32_rdtsc(); }
    #else
    static inline uint64_t sr_cycles(void) { return sr_clock_ns(); }
    #endif
    static inline uint64_t sr_scale(uint64_t cycles, uint64_t factor) {
        return (uint64_t)(((unsigned __int128)cycles * factor) >> 32);
    }
    static inline void sr_sleep_ns(uint64_t ns) {
        struct timespec ts = {(time_t)(ns / 1000000000ull), (long)(ns % 1000000000ull)};
        while (nanosleep(&ts, &ts) != 0) {}
    }
    #endif
    """
    uint64_t clock_ns "sr_clock_ns"() noexcept
    uint64_t read_cycles "sr_cycles"() noexcept
    uint64_t scale_cycles "sr_scale"(uint64_t cycles, uint64_t factor) noexcept
    void sleep_ns "sr_sleep_ns"(uint64_t ns) noexcept
