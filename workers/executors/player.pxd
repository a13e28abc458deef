"""A player: batches of operations on one CPU of a live run, by whoever has claimed it.

`percpu.operation` says who may be the CPU, and what it does:

     31                8 7        0
    +-------------------+----------+
    | claim             | step + 1 |     low byte 0: at rest
    +-------------------+----------+

Every operation begins with one compare-and-swap from rest to its step, and ends with a store of rest. Whoever takes the
CPU away puts another claim in by compare-and-swap from rest: it fails in the middle of an operation, and once it has
succeeded the former driver begins nothing any more. A driver that dies in the middle leaves its step in the word.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from workers.cpu cimport Cpu
from workers.executors.program cimport Program
from workers.mm.protocol cimport Protocol
from workers.workloads.script cimport Script, script_step

cdef enum:
    CLAIM_SHIFT = 8

cdef enum:  # why a batch ended
    PLAYED = 0
    STOPPED  # the run ends
    OUT_OF_TIME  # the budget is spent
    CLAIM_LOST  # the CPU is somebody else's by now
    ABANDONED  # the run has died: its segment is not to be used any more

cdef struct batch_result:
    int64_t result
    uint64_t latency_ns
    uint32_t outcome
    uint32_t pad

cdef class Player:
    cdef readonly Program program
    cdef Cpu cpu
    cdef Protocol protocol
    cdef Script script
    cdef script_step *steps
    cdef batch_result *results
    cdef uint32_t length
    cdef uint32_t played
    cdef uint32_t rest  # the word of this claim, at rest
    cdef uint64_t budget_ns
    cdef int why

    cdef void play_on(self, Cpu cpu, Protocol p) noexcept nogil
    cdef void one(self, Cpu cpu, Protocol p, uint32_t i) noexcept nogil
    cdef take(self, bytes steps)
