"""The checks of lockdep.pxd. Each returns True when it found something; the first finding is kept with both stacks."""
from libc.stdint cimport uint8_t, uint32_t

from shm.lock cimport (
    CLASS_ANON_VMA, CLASS_SWAP_AVAIL, CLASS_CLUSTER, CLASS_CONT, CLASS_DEVICE, CLASS_FOLIO, CLASS_GLOBAL_CLUSTER, CLASS_LRUVEC,
    CLASS_MAPPING, CLASS_MMAP, CLASS_MMLIST, CLASS_NONE, CLASS_PERCPU_CLUSTER, CLASS_PTL, CLASS_SI, CLASS_SWAPLIST, CLASS_SWAPON,
    CLASS_WAITQUEUE, CLASS_XA, CLASS_ZONE, CLASS_ZSWAP_LRU, NR_LOCK_CLASSES,
)

cdef enum:
    NR_ORDERED = 20

cdef uint8_t[NR_ORDERED] ORDER = [
    CLASS_SWAPON, CLASS_MMAP, CLASS_FOLIO, CLASS_ANON_VMA, CLASS_MAPPING, CLASS_PTL, CLASS_MMLIST, CLASS_SWAPLIST, CLASS_PERCPU_CLUSTER,
    CLASS_GLOBAL_CLUSTER, CLASS_CLUSTER, CLASS_CONT, CLASS_SI, CLASS_SWAP_AVAIL, CLASS_XA, CLASS_ZSWAP_LRU, CLASS_LRUVEC, CLASS_ZONE,
    CLASS_WAITQUEUE, CLASS_DEVICE,
]

NAMES = (
    "none", "anon_vma", "ptl", "i_pages", "cluster", "si", "lruvec", "wait_queue", "device", "mmlist", "folio",
    "mmap_lock", "percpu_cluster", "swapon_mutex", "cont", "global_cluster", "swap_avail", "mapping",
    "swaplist", "zswap_lru", "zone",
)
KINDS = ("none", "inversion", "recursion", "sleep under a spinlock", "too many locks held", "release of a lock not held")


cdef bint sleeps(uint32_t cls) noexcept nogil:
    """Whether the kernel's lock of that class may sleep: all others are spinlocks."""
    return cls == CLASS_FOLIO or cls == CLASS_MMAP or cls == CLASS_ANON_VMA or cls == CLASS_SWAPON


cdef bint report(lockdep_t *d, uint32_t kind, held_stack *held, uint32_t cls, uint32_t against) noexcept nogil:
    if d.first.kind == LOCKDEP_NONE:
        d.first.kind = kind
        d.first.taken = cls
        d.first.against = against
        d.first.here = held[0]
        if kind == LOCKDEP_INVERSION:
            d.first.before = d.edges[cls][against]
    return True


cdef void consider(lockdep_t *d, uint32_t a, uint32_t cls) noexcept nogil:
    """Whether somebody looks closer when `cls` is taken while `a` is held: unless that order is known and the only one."""
    if a != cls and d.seen[a][cls] and not d.seen[cls][a] and (sleeps(a) or not sleeps(cls)):
        d.closer[cls] &= ~(<uint32_t>1 << a)
    else:
        d.closer[cls] |= <uint32_t>1 << a


cdef void lockdep_declare(lockdep_t *d) noexcept nogil:
    """Enter the declared order: each earlier class may be held while each later one is taken, never the other way."""
    cdef int i, j
    cdef uint8_t a, b
    for i in range(NR_ORDERED):
        for j in range(i + 1, NR_ORDERED):
            a = ORDER[i]
            b = ORDER[j]
            d.seen[a][b] = 1
            d.edges[a][b].depth = 2
            d.edges[a][b].classes[0] = a
            d.edges[a][b].classes[1] = b
    for i in range(NR_LOCK_CLASSES):
        for j in range(NR_LOCK_CLASSES):
            consider(d, i, j)


cdef bint lockdep_look(lockdep_t *d, held_stack *held, uint32_t cls, bint nested, bint trylock) noexcept nogil:
    """lockdep_acquire where what is held matters."""
    cdef uint32_t i, a
    cdef bint found = False
    if not trylock:
        if sleeps(cls):
            found = lockdep_might_sleep(d, held, cls)
        for i in range(held.depth):
            a = held.classes[i]
            if a == cls:
                if not nested:
                    found = report(d, LOCKDEP_RECURSION, held, cls, a)
            elif d.seen[cls][a]:
                found = report(d, LOCKDEP_INVERSION, held, cls, a)
    if held.depth == MAX_HELD:
        return report(d, LOCKDEP_OVERFLOW, held, cls, cls)
    for i in range(held.depth):
        a = held.classes[i]
        if a != cls and not trylock and not d.seen[a][cls] and not d.seen[cls][a]:
            d.seen[a][cls] = 1
            d.edges[a][cls] = held[0]
            consider(d, a, cls)
            consider(d, cls, a)
    held.classes[held.depth] = cls
    held.depth += 1
    return found


cdef bint lockdep_take_out(lockdep_t *d, held_stack *held, uint32_t cls) noexcept nogil:
    """lockdep_release of a lock that was not the last one taken."""
    cdef uint32_t i = held.depth
    while i > 0 and held.classes[i - 1] != cls:
        i -= 1
    if i == 0:
        return report(d, LOCKDEP_NOT_HELD, held, cls, cls)
    while i < held.depth:
        held.classes[i - 1] = held.classes[i]
        i += 1
    held.depth -= 1
    return False


cdef bint lockdep_might_sleep(lockdep_t *d, held_stack *held, uint32_t cls) noexcept nogil:
    """The CPU is about to do what may sleep (`cls`: the sleeping lock, or CLASS_NONE for a wait)."""
    cdef uint32_t i
    for i in range(held.depth):
        if not sleeps(held.classes[i]):
            return report(d, LOCKDEP_SLEEP, held, cls, held.classes[i])
    return False


cdef list stack_names(held_stack *held):
    return [NAMES[held.classes[i]] for i in range(held.depth)]


cdef dict lockdep_told(lockdep_t *d):
    """The first finding as a dict of words, both stacks of classes outermost first; empty when there is none."""
    if d.first.kind == LOCKDEP_NONE:
        return {}
    return {
        "kind": KINDS[d.first.kind], "taken": NAMES[d.first.taken], "against": NAMES[d.first.against],
        "here": stack_names(&d.first.here), "before": stack_names(&d.first.before),
    }


cdef class Lockdep:
    """A graph and one CPU's stack, to be driven from Python: what the tests and the documentation of the order use."""

    cdef lockdep_t graph
    cdef held_stack held

    def __cinit__(self):
        lockdep_declare(&self.graph)

    def acquire(self, name: str, *, nested: bool = False, trylock: bool = False) -> bool:
        """Take a lock of that class; True when it is reported."""
        return lockdep_acquire(&self.graph, &self.held, NAMES.index(name), nested, trylock)

    def release(self, name: str) -> bool:
        """Give it back; True when it was not held."""
        return lockdep_release(&self.graph, &self.held, NAMES.index(name))

    def sleep(self) -> bool:
        """Wait for an event; True when a spinlock class is held."""
        return lockdep_might_sleep(&self.graph, &self.held, CLASS_NONE)

    def finding(self) -> dict:
        """The first finding, or an empty dict."""
        return lockdep_told(&self.graph)
