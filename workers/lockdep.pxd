"""Lock classes and their legal order, in the manner of the kernel's lockdep: a debug mode, off unless a run asks for it.

`edges[a][b]` keeps the stack of classes with which somebody first took b while holding a. Taking a while holding b is then
an inversion, told with both stacks. The declared order of `docs/locks.md` is entered beforehand.
"""
from libc.stdint cimport uint8_t, uint32_t
from shm.layout cimport layout_t
from shm.lock cimport NR_LOCK_CLASSES

cdef enum:
    MAX_HELD = 12

cdef enum:  # what is reported
    LOCKDEP_NONE = 0
    LOCKDEP_INVERSION = 1
    LOCKDEP_RECURSION = 2
    LOCKDEP_SLEEP = 3
    LOCKDEP_OVERFLOW = 4
    LOCKDEP_NOT_HELD = 5

cdef struct held_stack:
    uint32_t depth
    uint8_t classes[MAX_HELD]

cdef struct lockdep_report:
    uint32_t kind
    uint32_t taken  # class that was asked for
    uint32_t against  # class that it offends
    held_stack here
    held_stack before

cdef struct lockdep_t:
    uint8_t seen[NR_LOCK_CLASSES][NR_LOCK_CLASSES]
    uint32_t closer[NR_LOCK_CLASSES]  # by class that is taken: bits of the held ones that make somebody look closer
    held_stack edges[NR_LOCK_CLASSES][NR_LOCK_CLASSES]
    lockdep_report first  # of this process

cdef void lockdep_declare(lockdep_t *d) noexcept nogil
cdef bint lockdep_look(lockdep_t *d, held_stack *held, uint32_t cls, bint nested, bint trylock) noexcept nogil
cdef bint lockdep_take_out(lockdep_t *d, held_stack *held, uint32_t cls) noexcept nogil
cdef bint lockdep_might_sleep(lockdep_t *d, held_stack *held, uint32_t cls) noexcept nogil
cdef dict lockdep_told(lockdep_t *d)

cdef inline bint lockdep_acquire(lockdep_t *d, held_stack *held, uint32_t cls, bint nested, bint trylock) noexcept nogil:
    """A lock of class `cls` is about to be taken. `nested`: a second one of its class is meant (fork's two PTLs)."""
    cdef uint32_t i, classes = 0
    for i in range(held.depth):
        classes |= <uint32_t>1 << held.classes[i]
    if classes & d.closer[cls] or held.depth == MAX_HELD:
        return lockdep_look(d, held, cls, nested, trylock)
    held.classes[held.depth] = <uint8_t>cls
    held.depth += 1
    return False

cdef inline bint lockdep_release(lockdep_t *d, held_stack *held, uint32_t cls) noexcept nogil:
    """A lock of class `cls` is given back, in any order."""
    if held.depth == 0 or held.classes[held.depth - 1] != cls:
        return lockdep_take_out(d, held, cls)
    held.depth -= 1
    return False
