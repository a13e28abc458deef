"""Steps that a caller names one by one: every operation of a CPU, with what it returned.

    step                            result
    ("mm_init", mm)                 0; -EAGAIN: in use, -ENODEV: its memcg is gone
    ("load", mm, page[, end])       0; -ENOMEM, -EIO, -EFAULT of the first page that could not be had; -ESRCH: no such mm
    ("store", mm, page[, end])      as load
    ("pageout", mm, page[, end])    pages that left memory; -ENOMEM: no VMA has some of them; -ESRCH
    ("dontneed", mm, page[, end])   0; -ENOMEM; -ESRCH
    ("cold", mm, page[, end])       0; -ENOMEM; -ESRCH
    ("willneed", mm, page[, end])   0; -ENOMEM; -ESRCH
    ("free", mm, page[, end])       0; -ENOMEM; -ESRCH
    ("munmap", mm, page[, end])     0; -ESRCH
    ("mmap", mm, page[, end])       0: empty pages are there (MAP_FIXED); -ESRCH
    ("move", mm, page, to)          0; -ENOENT: no page, or no VMA, -EEXIST: one is there, -EBUSY: shared, or of a large folio, -EAGAIN: it
                                    changed; -ESRCH
    ("fork", mm, child)             0; -EAGAIN: child in use, -ENOMEM: a slot takes no further reference; -ESRCH
    ("exit", mm)                    0; -EAGAIN: not alive
    ("shmem_read", inode, page[, end])      0; -ENOMEM, -EIO of the first page that could not be had
    ("shmem_write", inode, page[, end])     as shmem_read
    ("shmem_truncate", inode, page[, end])  0: a hole
    ("reclaim", pages[, memcg])     folios that are free now, of the memcg and those below it
    ("zswap_writeback", pages[, memcg])  entries written back, of so many at most of each of these memcgs
    ("swapoff"[, device]), ("swapon"[, device])  0; -EBUSY, -ENOMEM
    ("inject", name, ppm)           0; from here on so many per million of these steps fail (shm/inject.pxd)
    ("memory_max", pages[, memcg])  0; the limit of the memcg, which the next charge looks at
    ("swap_max", pages[, memcg])    0; of swap (v2), of memory and swap together (v1)
    ("attach", mm, memcg)           0; the mm moves there: -ENODEV: the memcg is gone; -ESRCH
    ("memcg_offline", memcg)        0; -EBUSY: not empty or of the first level, -ENODEV: gone already
    ("memcg_online", memcg)         0; -EBUSY: there is one, or the old one still has charges, -ENODEV: its parent is gone

`end` is the page after the last one, page + 1 when it is left out; `memcg` is then the one with the run's limits.
"""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t

from shm.atomic cimport load32, store32, store_i64
from shm.memcg cimport COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP
from shm.vmstat cimport EV_OPERATIONS
from workers.cpu cimport Cpu, count
from workers.mm.page_counter cimport counter_of
from workers.mm.rmap cimport mmget_not_zero
from workers.mm.zswap_writeback cimport zswap_shrink_tree
from workers.operations.fault cimport access_page
from workers.operations.fork_exit cimport exit_mm, fork_mm, mm_init, mmput
from workers.operations.madvise cimport (
    madvise_cold, madvise_dontneed, madvise_free, madvise_pageout, madvise_willneed,
)
from workers.operations.mmap cimport mmap_fixed, munmap
from workers.operations.memcg cimport cgroup_attach_mm, mem_cgroup_css_offline, mem_cgroup_css_online
from workers.operations.move cimport userfaultfd_move
from workers.operations.reclaim cimport memory_reclaim
from workers.operations.shmem cimport shmem_read, shmem_write
from workers.operations.shmem_truncate cimport shmem_truncate
from workers.operations.swapoff cimport swapoff, swapon
from workers.mm.protocol cimport Protocol
from workers.workloads.workload cimport MEMCG, home_memcg

import mmap
from collections.abc import Mapping, Sequence

from shm.records import INJECTIONS

Step = tuple[str | int, ...]
Scripts = Mapping[int, Sequence[Step]]  # CPU -> steps
RANGE = ("mm", "page", "end")
FILE_RANGE = ("inode", "page", "end")
# name -> number in script.pxd, arguments; a trailing `end` may be left out, and a memcg after pages
OPERATIONS = {
    "load": (SCRIPT_LOAD, RANGE),
    "store": (SCRIPT_STORE, RANGE),
    "pageout": (SCRIPT_PAGEOUT, RANGE),
    "dontneed": (SCRIPT_DONTNEED, RANGE),
    "reclaim": (SCRIPT_RECLAIM, ("pages", "memcg")),
    "mm_init": (SCRIPT_MM_INIT, ("mm",)),
    "fork": (SCRIPT_FORK, ("mm", "child")),
    "exit": (SCRIPT_EXIT, ("mm",)),
    "swapoff": (SCRIPT_SWAPOFF, ("device",)),
    "swapon": (SCRIPT_SWAPON, ("device",)),
    "inject": (SCRIPT_INJECT, ("which", "ppm")),
    "memory_max": (SCRIPT_MEMORY_MAX, ("pages", "memcg")),
    "swap_max": (SCRIPT_SWAP_MAX, ("pages", "memcg")),
    "attach": (SCRIPT_ATTACH, ("mm", "memcg")),
    "memcg_offline": (SCRIPT_MEMCG_OFFLINE, ("memcg",)),
    "memcg_online": (SCRIPT_MEMCG_ONLINE, ("memcg",)),
    "cold": (SCRIPT_COLD, RANGE),
    "willneed": (SCRIPT_WILLNEED, RANGE),
    "free": (SCRIPT_FREE, RANGE),
    "munmap": (SCRIPT_MUNMAP, RANGE),
    "mmap": (SCRIPT_MMAP, RANGE),
    "move": (SCRIPT_MOVE, ("mm", "page", "to")),
    "shmem_read": (SCRIPT_SHMEM_READ, FILE_RANGE),
    "shmem_write": (SCRIPT_SHMEM_WRITE, FILE_RANGE),
    "shmem_truncate": (SCRIPT_SHMEM_TRUNCATE, FILE_RANGE),
    "zswap_writeback": (SCRIPT_ZSWAP_WRITEBACK, ("pages", "memcg")),
}


def parsed(step, int pages, int mms, int memcgs, int inodes=0, int inode_pages=0, int devices=1) -> tuple:
    """(operation, mm, first, end, memcg) of a step. ValueError says what is wrong with it, and what would be right."""
    name, *given = step
    if name not in OPERATIONS:
        raise ValueError(f"step {step!r}: no operation {name!r}; there are: {', '.join(sorted(OPERATIONS))}")
    number, names = OPERATIONS[name]
    least = len(names) - ("end" in names or names in (("pages", "memcg"), ("device",)))
    if not least <= len(given) <= len(names):
        raise ValueError(f"step {step!r}: {name} takes {', '.join(names) or 'nothing'}")
    values = dict(zip(names, given))
    if "which" in values:
        if values["which"] not in INJECTIONS:
            raise ValueError(f"step {step!r}: no failure {values['which']!r}; there are: {', '.join(INJECTIONS)}")
        values["which"] = INJECTIONS.index(values["which"])
    bounds = {"mm": mms, "child": mms, "ppm": 1_000_001, "which": len(INJECTIONS), "pages": 1 << 32,
              "memcg": memcgs + 1}
    of_one = inode_pages if "inode" in values else pages
    bounds.update(page=of_one, end=of_one + 1, to=pages, inode=inodes, device=devices)
    if "end" in names:
        values.setdefault("end", values["page"] + 1)
    for key, value in values.items():
        least = 1 if key == "memcg" and name != "reclaim" else 0
        if not least <= value < bounds[key]:
            raise ValueError(f"step {step!r}: {key} is {value}; it must lie between {least} and {bounds[key] - 1}")
    first = values.get("page", values.get("child", values.get("pages", values.get("ppm", 0))))
    whose = values.get("mm", values.get("inode", values.get("device", values.get("which", 0))))
    return (number, whose, first, values.get("end", values.get("to", 0)), values.get("memcg", MEMCG))


cdef class Script:
    """`steps` of one CPU, for mms of `pages` pages in `memcgs` memcgs. Its results lie in shared memory: another process may play it."""

    def __init__(self, steps, int pages, int mms, int memcgs, int inodes=0, int inode_pages=0, int devices=1) -> None:
        rows = [parsed(step, pages, mms, memcgs, inodes, inode_pages, devices) for step in steps]
        self.buf = mmap.mmap(-1, max(1, len(rows) * sizeof(script_step)))
        PyObject_GetBuffer(self.buf, &self.view, PyBUF_WRITABLE)
        self.steps = <script_step *>self.view.buf
        self.length = len(rows)
        for i, (number, mm, first, end, memcg) in enumerate(rows):
            self.steps[i].operation = number
            self.steps[i].mm = mm
            self.steps[i].first = first
            self.steps[i].end = end
            self.steps[i].memcg = memcg

    def __dealloc__(self):
        if self.view.buf != NULL:
            PyBuffer_Release(&self.view)

    def reset(self) -> None:
        """Forget the results."""
        for i in range(self.length):
            self.steps[i].done = 0

    def results(self) -> list:
        """What each step returned; None where the CPU has not come to its end."""
        return [self.steps[i].result if load32(&self.steps[i].done) else None for i in range(self.length)]

    cdef int64_t access(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil:
        cdef uint32_t page
        cdef int64_t result
        for page in range(s.first, s.end):
            result = access_page(cpu, p, s.mm, page, s.operation == SCRIPT_STORE)
            if result < 0:
                return result
        return 0

    cdef int64_t advise(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil:
        if s.operation == SCRIPT_PAGEOUT:
            return madvise_pageout(cpu, p, s.mm, s.first, s.end)
        if s.operation == SCRIPT_DONTNEED:
            return madvise_dontneed(cpu, p, s.mm, s.first, s.end)
        if s.operation == SCRIPT_COLD:
            return madvise_cold(cpu, p, s.mm, s.first, s.end)
        if s.operation == SCRIPT_WILLNEED:
            return madvise_willneed(cpu, p, s.mm, s.first, s.end)
        return madvise_free(cpu, p, s.mm, s.first, s.end)

    cdef int64_t on_mm(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil:
        """An operation on an mm that somebody may end meanwhile: our use of it keeps it whole."""
        cdef int64_t result = 0
        if not mmget_not_zero(cpu, s.mm):
            return ESRCH
        if s.operation == SCRIPT_LOAD or s.operation == SCRIPT_STORE:
            result = self.access(cpu, p, s)
        elif s.operation == SCRIPT_ATTACH:
            result = cgroup_attach_mm(cpu, s.mm, s.memcg)
        elif s.operation == SCRIPT_FORK:
            count(cpu, EV_OPERATIONS)
            result = fork_mm(cpu, p, s.mm, s.first)
        elif s.operation == SCRIPT_MOVE:
            result = userfaultfd_move(cpu, p, s.mm, s.first, s.end)
        elif s.operation == SCRIPT_MUNMAP:
            munmap(cpu, p, s.mm, s.first, s.end)
        elif s.operation == SCRIPT_MMAP:
            mmap_fixed(cpu, p, s.mm, s.first, s.end)
        else:
            result = self.advise(cpu, p, s)
        mmput(cpu, p, s.mm)
        return result

    cdef int64_t on_file(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil:
        """An operation on pages of a file, which is there for good."""
        cdef uint32_t page
        cdef int64_t result = 0
        if s.operation == SCRIPT_SHMEM_TRUNCATE:
            shmem_truncate(cpu, p, s.mm, s.first, s.end)
            return 0
        for page in range(s.first, s.end):
            if s.operation == SCRIPT_SHMEM_READ:
                result = shmem_read(cpu, p, s.mm, page)
            else:
                result = shmem_write(cpu, p, s.mm, page)
            if result < 0:
                break
        return result

    cdef int64_t on_memcg(self, Cpu cpu, script_step *s) noexcept nogil:
        """A file of a memcg, or its folder."""
        if s.operation == SCRIPT_MEMCG_OFFLINE:
            return mem_cgroup_css_offline(cpu, s.memcg)
        if s.operation == SCRIPT_MEMCG_ONLINE:
            return mem_cgroup_css_online(cpu, s.memcg)
        if s.operation == SCRIPT_MEMORY_MAX:
            store_i64(&counter_of(cpu, s.memcg, COUNTER_MEMORY).max, s.first)
        else:
            store_i64(&counter_of(cpu, s.memcg, COUNTER_SWAP).max, s.first)
            store_i64(&counter_of(cpu, s.memcg, COUNTER_MEMSW).max, s.first)
        return 0

    cdef int64_t one(self, Cpu cpu, Protocol p, script_step *s) noexcept nogil:
        if s.operation == SCRIPT_RECLAIM:
            return memory_reclaim(cpu, p, s.memcg, s.first)
        if s.operation == SCRIPT_MM_INIT:
            return mm_init(cpu, s.mm, home_memcg(cpu, s.mm))
        if s.operation == SCRIPT_EXIT:
            return exit_mm(cpu, p, s.mm)
        if s.operation == SCRIPT_SWAPOFF:
            return swapoff(cpu, p, s.mm)
        if s.operation == SCRIPT_SWAPON:
            return swapon(cpu, s.mm)
        if s.operation == SCRIPT_INJECT:
            store32(&cpu.m.control.inject_ppm[s.mm], s.first)
            return 0
        if SCRIPT_MEMORY_MAX <= s.operation <= SCRIPT_MEMCG_ONLINE:
            return self.on_memcg(cpu, s)
        if SCRIPT_SHMEM_READ <= s.operation <= SCRIPT_SHMEM_TRUNCATE:
            return self.on_file(cpu, p, s)
        if s.operation == SCRIPT_ZSWAP_WRITEBACK:
            return zswap_shrink_tree(cpu, p, s.memcg, s.first)
        return self.on_mm(cpu, p, s)

    cdef void play(self, Cpu cpu, Protocol p) noexcept nogil:
        """All steps, one after the other."""
        cdef uint32_t i
        for i in range(self.length):
            self.steps[i].result = self.one(cpu, p, &self.steps[i])
            store32(&self.steps[i].done, 1)
