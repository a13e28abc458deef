"""The page references of a real program, replayed by several emulated processes, each with one thread or more.

CPU n is a thread of process n modulo the number of processes. All threads of a process follow the same references, as
those of a program that works on shared data: they meet at the same pages. When the recording ends it begins again.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu
from workers.operations.fault cimport access_page
from workers.operations.fork_exit cimport mm_init
from workers.protocols.base cimport Protocol
from workers.workloads.workload cimport MEMCG, Workload

from workers.workloads.trace_file import read_trace, resolve


cdef class Trace(Workload):
    """`spec.trace` names the recording; an item is page << 1 | is_store."""

    def __init__(self, spec, shape):
        Workload.__init__(self, spec, shape)
        cdef Py_buffer view
        self.keep = read_trace(resolve(spec.trace)).references
        PyObject_GetBuffer(self.keep, &view, PyBUF_SIMPLE)
        self.references = <const uint32_t *>view.buf
        self.length = <uint32_t>(view.len // 4)
        PyBuffer_Release(&view)  # the array is ours alone and never resized

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t mm
        for mm in range(self.mms):
            mm_init(cpu, mm, MEMCG)

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t reference = self.references[self.at]
        self.at += 1
        if self.at == self.length:
            self.at = 0
        access_page(cpu, p, cpu.id % self.mms, reference >> 1, reference & 1)
