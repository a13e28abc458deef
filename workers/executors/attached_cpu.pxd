"""A CPU in a process that lives longer than the run: a client's, attached to the segment.

A worker of the supervisor dies with the run, wherever it waits. A client must come out of a lock whose holder is dead:
so each of its waits looks every LOOK_NS whether its connection to the supervisor still stands, and leaves by longjmp
when it does not. What it held stays locked, as if it had died; the segment is thrown away.
"""
from libc.stdint cimport uint64_t
from workers.executors.process_cpu cimport ProcessCpu

ctypedef void (*left_body)(void *) noexcept nogil

cdef extern from * nogil:
    """
    #ifndef SWAPRACE_WAY_OUT_H
    #define SWAPRACE_WAY_OUT_H
    #include <poll.h>
    #include <setjmp.h>
    typedef struct { jmp_buf place; } sr_way_out;
    /* 0: body has returned; 1: it was left. No Python object may be owned by a frame that is left. */
    static int sr_leave_by(sr_way_out *out, void (*body)(void *), void *arg) {
        if (_setjmp(out->place)) return 1;
        body(arg);
        return 0;
    }
    static void sr_leave(sr_way_out *out) { _longjmp(out->place, 1); }
    static int sr_hung_up(int fileno) {
        struct pollfd p = { fileno, POLLHUP, 0 };
        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    }
    #endif
    """
    ctypedef struct sr_way_out:
        pass
    bint sr_leave_by(sr_way_out *out, left_body body, void *arg) noexcept
    void sr_leave(sr_way_out *out) noexcept
    bint sr_hung_up(int fileno) noexcept

cdef enum:
    LOOK_NS = 50_000_000

cdef class AttachedCpu(ProcessCpu):
    cdef int fileno
    cdef uint64_t next_look_ns
    cdef sr_way_out out

    cdef void look(self) noexcept nogil

cdef bint leave_by(AttachedCpu cpu, left_body body, void *arg) noexcept nogil
