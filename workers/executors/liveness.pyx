"""Who is starved, who waits in a circle, who is left asleep, and what repeats for ever: questions about an execution."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.atomic cimport load64
from shm.lock cimport NR_LOCK_CLASSES, lock_t
from shm.vmstat cimport WAIT_TICK_SLEEP
from workers.cpu cimport STEP_ACQUIRE, STEP_END, STEP_PARK
from workers.executors.execution cimport LIVELOCK, TRACE_STEPS, Execution, task_t
from workers.executors.lasso cimport REPEATS, fingerprint
from workers.schedulers.schedule cimport mix64


cdef bint is_left_alone(Execution e) noexcept nogil:
    """Whether all that have not ended sleep on a wait queue with a timeout, so that nobody is there to wake them."""
    cdef int i
    for i in range(e.nr_tasks):
        if e.pending[i].kind != STEP_END and (
                e.pending[i].kind != STEP_PARK or e.tasks[i].cause != WAIT_TICK_SLEEP):
            return False
    return True


cdef bint somebody_can_go_on(Execution e) noexcept nogil:
    """Whether a CPU has not ended and does not wait."""
    cdef int i
    for i in range(e.nr_tasks):
        if e.pending[i].kind != STEP_END and not e.is_disabled(i):
            return True
    return False


cdef bint was_fair(Execution e) noexcept nogil:
    """Whether in the later half of the steps nobody was left out who could have gone on all the time."""
    cdef int i
    for i in range(e.nr_tasks):
        if e.pending[i].kind != STEP_END and e.tasks[i].ran_at < e.step_limit // 2:
            return False
    return True


cdef bint in_circle(Execution e, int task) noexcept nogil:
    """Whether who holds the lock that `task` is about to wait for waits in the end for `task`."""
    cdef int at = task, hops
    cdef uint64_t word
    for hops in range(e.nr_tasks):
        if e.pending[at].kind != STEP_ACQUIRE:
            return False
        word = load64(&(<lock_t *>e.tasks[at].obj).word)
        if word == 0:
            return False
        at = <int>(word & 0xFF) - 1
        if at == task:
            return True
    return False


cdef void count_passed(Execution e, int task) noexcept nogil:
    """That task takes its lock, and passes all who waited for it before."""
    cdef int i
    cdef task_t *t
    cdef uint32_t cls
    for i in range(e.nr_tasks):
        t = &e.tasks[i]
        if i != task and t.waited and e.pending[i].kind == STEP_ACQUIRE and t.obj == e.tasks[task].obj:
            t.passed += 1
            cls = (<lock_t *>t.obj).cls
            if cls < NR_LOCK_CLASSES and t.passed > e.most_passed[cls]:
                e.most_passed[cls] = t.passed


cdef uint64_t head_of(Execution e, int task) noexcept nogil:
    """What makes a head: memory, who goes on, and what all are about to do."""
    cdef uint64_t hash = fingerprint(&e.lasso.state) ^ <uint64_t>task
    cdef int i
    for i in range(e.nr_tasks):
        hash = mix64(hash ^ e.pending[i].object << 8 ^ <uint64_t>e.pending[i].kind)
    return hash


cdef bint is_fair(Execution e) noexcept nogil:
    """Whether the rounds so far leave nobody out who could always have gone on."""
    cdef int i
    for i in range(e.nr_tasks):
        if e.pending[i].kind != STEP_END and not e.lasso.fair[i]:
            return False
    return True


cdef int follow(Execution e, const uint8_t *enabled, int nr) noexcept nogil:
    """The task of the lasso's next step; -1: it is none, or, with the verdict LIVELOCK, it is one."""
    cdef uint64_t at = e.steps - e.lasso.first - e.lasso.length
    cdef uint64_t where = e.lasso.first + at % e.lasso.length
    cdef int wanted = -1, i
    cdef bint holds = e.steps < TRACE_STEPS
    for i in range(nr):
        if enabled[i] == e.trace[where].cpu:
            wanted = enabled[i]
    if wanted >= 0 and holds and at % e.lasso.length == 0:
        holds = head_of(e, wanted) == e.lasso.hash and is_fair(e)
        if holds and at == REPEATS * e.lasso.length:
            e.verdict = LIVELOCK
            return -1
    if wanted < 0 or not holds:
        e.lasso.length = 0
        return -1
    for i in range(e.nr_tasks):
        if e.pending[i].kind >= STEP_ACQUIRE and e.is_disabled(i):
            e.lasso.fair[i] = True
    e.lasso.fair[wanted] = True
    return wanted
