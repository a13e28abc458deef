"""The page references of a real program, replayed by several emulated processes.

Each process has a thread on every CPU. The threads of a process follow the same references, as those of a program that
works on shared data: whoever is ahead faults, the others catch up and meet it at the same pages. A CPU switches to the
next process after QUANTUM references. When the recording ends it begins again.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t
from libc.string cimport memset

from workers.cpu cimport Cpu
from workers.operations.fault cimport access_page
from workers.operations.fork_exit cimport mm_init
from workers.mm.protocol cimport Protocol
from workers.workloads.workload cimport Workload, home_memcg

from workers.workloads.trace_file import read_trace, resolve

cdef enum:
    QUANTUM = 1000  # references between two context switches: some 20 us of hits, or some ms of faults


cdef class Recorded(Workload):
    """Abstract. `spec.trace` names the recording; an item is page << 1 | is_store."""

    def __init__(self, spec, shape):
        Workload.__init__(self, spec, shape)
        cdef Py_buffer view
        self.keep = read_trace(resolve(spec.trace)).references
        PyObject_GetBuffer(self.keep, &view, PyBUF_SIMPLE)
        self.references = <const uint32_t *>view.buf
        self.length = <uint32_t>(view.len // 4)
        PyBuffer_Release(&view)  # the array is ours alone and never resized


cdef class Trace(Recorded):
    """Threads of several processes, all over one recording."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t mm
        for mm in range(self.mms):
            mm_init(cpu, mm, home_memcg(cpu, mm))

    cdef void reset(self, Cpu cpu) noexcept nogil:
        Workload.reset(self, cpu)
        memset(self.progress, 0, sizeof(self.progress))
        self.left = QUANTUM

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t *progress = &self.progress[self.at]
        cdef uint32_t reference = self.references[progress[0]], mm = self.at
        progress[0] = progress[0] + 1 if progress[0] + 1 < self.length else 0
        self.left -= 1
        if self.left == 0:
            self.left = QUANTUM
            self.at = (self.at + 1) % self.mms
        access_page(cpu, p, mm, reference >> 1, reference & 1)
