"""Replay of one recorded schedule."""
from libc.stdint cimport uint8_t
from workers.schedulers.schedule cimport Schedule

cdef class Replay(Schedule):
    cdef bytes recording  # one byte per choice
    cdef const uint8_t *choices
    cdef int nr_choices
    cdef int position  # choices answered
    cdef int refused  # the recorded byte that could not be obeyed, -1: none, -2: the recording has ended, -3: no CPU
    cdef int take(self) noexcept nogil
