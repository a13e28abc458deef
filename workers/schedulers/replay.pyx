"""Replay: the same interleaving again, from the choices that an execution recorded.

A schedule is a hex string, one byte per choice: first the eight bytes that seed the CPUs' random numbers, then the CPU
that went on at each point where more than one could, and 1 or 0 for each chance that came true or not. It says nothing
of the program, so a schedule replays the run that recorded it, on the same code. Where the two differ the replay stops and says so; it never guesses.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from workers.schedulers.schedule cimport REFUSED, Schedule


cdef class Replay(Schedule):
    """The recording `schedule`, as hex. Every execution is the same one."""

    def __init__(self, schedule: str) -> None:
        try:
            self.recording = bytes.fromhex(schedule)
        except ValueError as error:
            raise ValueError(f"schedule is no recording: {error}; it is hex, one byte per choice") from None
        if len(self.recording) < 8:
            raise ValueError(f"schedule has {len(self.recording)} bytes; a recording begins with 8 bytes of chance")
        self.choices = self.recording
        self.nr_choices = <int>len(self.recording)
        self.position = 0
        self.refused = -1

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        self.position = 0
        self.refused = -1
        return True

    cdef int take(self) noexcept nogil:
        if self.position >= self.nr_choices:
            self.refused = -2
            return REFUSED
        self.position += 1
        return self.choices[self.position - 1]

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef int i, recorded = self.take()
        if recorded == REFUSED:
            return REFUSED
        for i in range(nr):
            if enabled[i] == recorded:
                return recorded
        self.refused = recorded
        return REFUSED

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        cdef int recorded = self.take()
        if recorded == REFUSED or recorded < <int>n:
            return recorded
        self.refused = -3
        return REFUSED

    cdef bint next_chance(self, uint32_t ppm) noexcept nogil:
        return self.next_choice(2) == 1

    def refusal(self) -> str:
        """What the recording asks for and cannot have."""
        if self.refused == -2:
            return f"the recording ends after {self.nr_choices} choices"
        if self.refused == -3:
            return f"choice {self.position} of the recording is {self.choices[self.position - 1]}, and no such one is asked"
        if self.refused == -1:
            return f"{self.left()} choices of the recording are left over"
        return f"recorded cpu {self.refused}, it is not enabled"

    def left(self) -> int:
        """Choices of the recording that the execution did not come to; -1 when it asked for one that cannot be."""
        return self.nr_choices - self.position if self.refused == -1 else -1
