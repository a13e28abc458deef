"""What the pending step of each CPU waits for, as one word: most decisions look at these words and at nothing else.

    pending step                  its word              goes on when that is
    STEP_ACQUIRE                  the lock's            zero
    STEP_PARK without a timeout   the wake-up tokens    not zero
    STEP_END                      a zero                not zero: never
    all others                    a zero                zero: always

A park with a timeout and a tick look at clocks too: where one is pending, Execution.find_enabled decides.
"""
from libc.stdint cimport uint32_t
from shm.atomic cimport load32

cdef struct gate_t:
    uint32_t *word  # of a lock: the half with its holder
    uint32_t opens_by_one  # 0: open while the word is zero; 1: open while it is not

cdef inline bint is_open(const gate_t *gate) noexcept nogil:
    return (load32(gate.word) == 0) != gate.opens_by_one
