"""Q12. What a memcg is charged for swap is what the slots say, its own and those of all below it. In v1, memsw is memory
and swap together; an offline memcg keeps its id for as long as slots are recorded for it."""
from libc.stdint cimport int64_t, uint64_t

from shm.layout cimport layout_t
from shm.memcg cimport COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP, CSS_ONLINE, mem_cgroup
from shm.slots cimport slot_is_free
from workers.invariants.law cimport Law, finding_t, give_back, parent_of, scratch_t, tell, zeroed

cdef struct slots_t:
    int64_t recorded  # slots with the id
    int64_t below  # with the id of the memcg or of one below it
    int64_t used_below  # those of them that are not free


cdef void look(layout_t *m, uint64_t i, const slots_t *slots, finding_t *out) noexcept nogil:
    cdef mem_cgroup *memcg = &m.memcgs[i]
    cdef int64_t memory = memcg.counters[COUNTER_MEMORY].usage, memsw = memcg.counters[COUNTER_MEMSW].usage
    cdef int64_t swap = memcg.counters[COUNTER_SWAP].usage
    if m.control.memcg_version == 1:
        if memsw != memory + slots.used_below:
            tell(out, b"memcg %lu: memsw is %ld, memory %ld, %ld used slots have its id or that of one below it", i,
                 <uint64_t>memsw, <uint64_t>memory, <uint64_t>slots.used_below)
    elif swap != slots.below:
        tell(out, b"memcg %lu: swap is %ld, %ld slots have its id or that of one below it", i, <uint64_t>swap,
             <uint64_t>slots.below, 0)
    if memcg.nr_swap != slots.recorded or memcg.id_refs != slots.recorded + (memcg.css & CSS_ONLINE):
        tell(out, b"memcg %lu: MEMCG_SWAP is %ld, its id has %ld references, %ld slots have its id", i,
             <uint64_t>memcg.nr_swap, <uint64_t>memcg.id_refs, <uint64_t>slots.recorded)


cdef class SwapCharge(Law):
    """The swap charge of a memcg follows from the slots with its id or that of one below it, its MEMCG_SWAP and the
    references of its id from the slots with its id alone."""

    def __cinit__(self):
        self.id = "Q12"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef scratch_t counts
        cdef slots_t *slots = <slots_t *>zeroed(&counts, (m.geo.memcgs + 1) * sizeof(slots_t))
        cdef uint64_t i, memcg
        if slots == NULL:
            tell(out, b"not looked at: no memory for %lu counts", m.geo.memcgs, 0, 0, 0)
            return
        for i in range(m.geo.slots * m.geo.devices):
            memcg = m.swap_cgroup[i] if m.swap_cgroup[i] <= m.geo.memcgs else 0
            slots[memcg].recorded += memcg != 0
            while memcg:
                slots[memcg].below += 1
                slots[memcg].used_below += not slot_is_free(m, i)
                memcg = parent_of(m, memcg)
        for i in range(m.geo.memcgs + 1):
            look(m, i, &slots[i], out)
        give_back(&counts)
