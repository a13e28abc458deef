"""What steps look at for laws of transitions: each warns where one is broken, and changes nothing that a protocol reads."""
from libc.stdint cimport uint32_t, uint64_t
from shm.atomic cimport load32, load64, load_i32
from shm.folio cimport IO_OWNER, PG_CLAIMED, PG_LOCKED, PG_SWAPCACHE, PG_UPTODATE, folio_nr_pages, folio_t
from shm.layout cimport generation_of, layout_t, percpu_of, read_generation_of
from shm.swapfile cimport swap_info_struct, swap_usage_in_pages
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport (
    EV_ALLOC_FAILED, EV_CHARGE_FAILED, EV_SWAPCACHE_RETRY, WARN_READ_UNOWNED, WARN_RETRY_ALONE, WARN_SLOT_RECYCLED,
    WARN_SPURIOUS_OOM, WARN_UNUSE_STUCK,
)
from workers.cpu cimport Cpu, count, warn
from workers.mm.memcontrol cimport slot_of
from workers.mm.protocol cimport vm_fault

cdef inline void note_slot_freed(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """A free begins the slot's next generation. Context: cluster lock held."""
    if cpu.m.geo.generations:
        generation_of(&cpu.m, slot_of(cpu, entry))[0] += 1

cdef inline void note_slot_of_folio(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """The folio is that of the slots from `entry` on, in their present generation. Context: folio locked by us."""
    cdef uint32_t i
    if cpu.m.geo.generations:
        for i in range(folio_nr_pages(&cpu.m.folios[pfn])):
            read_generation_of(&cpu.m, pfn + i)[0] = generation_of(&cpu.m, slot_of(cpu, entry) + i)[0]

cdef inline uint32_t present_generation(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Of a slot; 0 where none is kept. Context: none."""
    return generation_of(&cpu.m, slot_of(cpu, entry))[0] if cpu.m.geo.generations else 0

cdef inline void check_slot_kept(Cpu cpu, vm_fault *vmf, uint64_t pte) noexcept nogil:
    """The page of the folio is about to be mapped in place of `pte` (laws P3, T8). Context: page-table lock held.

    One that a bypass has read may have been given another slot since: of that one the fault keeps when it began to read.
    """
    cdef uint32_t generation, page = vmf.folio + vmf.subpage + <uint32_t>(vmf.entry - vmf.start)
    if cpu.m.geo.generations:
        generation = vmf.generation if vmf.bypass else read_generation_of(&cpu.m, page)[0]
        if generation != present_generation(cpu, vmf.entry):
            warn(cpu, WARN_SLOT_RECYCLED, vmf.entry, vmf.folio, pte)
    if pte != vmf.orig_pte:
        warn(cpu, WARN_SLOT_RECYCLED, vmf.entry, vmf.folio, pte)

cdef inline void check_reader(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """A read of the slot is about to fill the folio (law F5). Context: none; the folio should be locked for the read."""
    cdef folio_t *folio = &cpu.m.folios[pfn]
    cdef uint32_t flags = load32(&folio.flags), owner = load32(&folio.lock_owner)
    if flags & (PG_LOCKED | PG_UPTODATE) != PG_LOCKED or not flags & (PG_SWAPCACHE | PG_CLAIMED) or (
            owner != cpu.id + 1 and owner != IO_OWNER) or load64(&folio.swap) != entry or load_i32(&folio.refcount) <= 0:
        warn(cpu, WARN_READ_UNOWNED, entry, pfn, flags)

cdef inline uint64_t cache_deletions(Cpu cpu) noexcept nogil:
    """Folios that have been taken out of the swap cache; cooperative runs alone ask. Context: none."""
    cdef uint64_t total = 0
    cdef uint32_t i
    if cpu.cooperative:
        for i in range(<uint32_t>cpu.m.geo.cpus):
            total += percpu_of(&cpu.m, i).deletions
    return total

cdef inline void check_retry(Cpu cpu, swp_entry_t entry, uint64_t deletions) noexcept nogil:
    """An insertion was refused for a folio that a lookup does not find (law L5). Context: the device is pinned."""
    count(cpu, EV_SWAPCACHE_RETRY)
    if cpu.cooperative and cache_deletions(cpu) == deletions:
        warn(cpu, WARN_RETRY_ALONE, entry, deletions, 0)

cdef inline bint alone_at_work(Cpu cpu) noexcept nogil:
    """Whether all other CPUs have left, so that no reference can come. Context: none."""
    return load32(&cpu.m.control.cpus_working) <= 1

cdef inline void check_unuse_round(Cpu cpu, swap_info_struct *si, uint64_t before, bint alone) noexcept nogil:
    """A round of swapoff is over; `before` it that many slots were in use, and nobody else was at work (law L6).

    Context: swapon_mutex held.
    """
    if alone and <uint64_t>swap_usage_in_pages(si) == before:
        warn(cpu, WARN_UNUSE_STUCK, si.type, before, 0)

cdef inline uint64_t failures(Cpu cpu) noexcept nogil:
    """Allocations and charges of this CPU that have failed so far. Context: none."""
    return cpu.my.events[EV_ALLOC_FAILED] + cpu.my.events[EV_CHARGE_FAILED]

cdef inline void check_oom(Cpu cpu, swp_entry_t entry, uint64_t failed, uint32_t generation) noexcept nogil:
    """A fault of the slot is about to report that memory is short (law L7); `failed` and `generation` when it began.

    A slot that was freed and used again for the same page compares equal, and has lost its reader its folio.
    Context: page-table lock held.
    """
    if cpu.m.geo.generations and failures(cpu) == failed and present_generation(cpu, entry) == generation:
        warn(cpu, WARN_SPURIOUS_OOM, entry, failed, generation)
