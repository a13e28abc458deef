"""Operations by weight, on address spaces that come and go."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load32
from shm.mm cimport MM_LIVE, MM_UNUSED
from shm.vmstat cimport EV_OPERATIONS
from workers.cpu cimport Cpu, count, random_u64
from workers.mm.rmap cimport mmget_not_zero
from workers.mm.zswap_writeback cimport zswap_shrink_tree
from workers.operations.fault cimport access_page
from workers.operations.fork_exit cimport exit_mm, fork_mm, mm_init, mmput
from workers.operations.madvise cimport (
    madvise_cold, madvise_dontneed, madvise_free, madvise_pageout, madvise_willneed,
)
from workers.operations.mmap cimport mmap_fixed, munmap
from workers.operations.move cimport userfaultfd_move
from workers.operations.reclaim cimport memory_reclaim
from workers.operations.shmem cimport shmem_read, shmem_write
from workers.operations.shmem_truncate cimport shmem_truncate
from workers.operations.swapoff cimport swapoff, swapon
from workers.mm.protocol cimport Protocol
from workers.workloads.workload cimport MEMCG, Workload, home_memcg, populate

cdef enum:
    RANGE_PAGES = 16  # of one madvise, munmap or mmap
    RECLAIM_PAGES = 32

OPERATIONS = ("load", "store", "pageout", "dontneed", "reclaim", "fork", "exit", "swapoff", "cold",
              "willneed", "free", "move", "shmem_read", "shmem_write", "shmem_truncate", "zswap_writeback", "munmap", "mmap")


cdef class Mix(Workload):
    """`spec.mix`: operation -> weight. Half of the mms live at the start; fork fills the others, exit empties them."""

    def __init__(self, spec, shape):
        Workload.__init__(self, spec, shape)
        for i, name in enumerate(OPERATIONS):
            self.weights[i] = spec.mix.get(name, 0)
            self.total += self.weights[i]

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t mm
        for mm in range((self.mms + 1) // 2):
            mm_init(cpu, mm, home_memcg(cpu, mm))
            populate(cpu, p, mm, self.pages)

    cdef int choose(self, Cpu cpu) noexcept nogil:
        cdef uint64_t draw = random_u64(cpu) % self.total
        cdef int operation = 0
        while draw >= self.weights[operation]:
            draw -= self.weights[operation]
            operation += 1
        return operation

    cdef void on_mm(self, Cpu cpu, Protocol p, int operation, uint32_t mm) noexcept nogil:
        """An operation on an mm that somebody may end meanwhile: our use of it keeps it whole."""
        cdef uint32_t page = <uint32_t>(random_u64(cpu) % self.pages)
        cdef uint32_t end = page + RANGE_PAGES if page + RANGE_PAGES < self.pages else self.pages
        if operation == MIX_LOAD or operation == MIX_STORE:
            access_page(cpu, p, mm, page, operation == MIX_STORE)
        elif operation == MIX_PAGEOUT:
            madvise_pageout(cpu, p, mm, page, end)
        elif operation == MIX_DONTNEED:
            madvise_dontneed(cpu, p, mm, page, end)
        elif operation == MIX_COLD:
            madvise_cold(cpu, p, mm, page, end)
        elif operation == MIX_WILLNEED:
            madvise_willneed(cpu, p, mm, page, end)
        elif operation == MIX_FREE:
            madvise_free(cpu, p, mm, page, end)
        elif operation == MIX_MOVE:
            self.move_page(cpu, p, mm, page)
        elif operation == MIX_MUNMAP:
            munmap(cpu, p, mm, page, end)
        elif operation == MIX_MMAP:
            mmap_fixed(cpu, p, mm, page, end)
        elif operation == MIX_FORK:
            count(cpu, EV_OPERATIONS)
            fork_mm(cpu, p, mm, self.find(cpu, MM_UNUSED))

    cdef void swap_device(self, Cpu cpu, Protocol p) noexcept nogil:
        """A device goes, and comes back."""
        cdef uint32_t device = 0 if cpu.m.geo.devices == 1 else <uint32_t>(random_u64(cpu) % cpu.m.geo.devices)
        if swapoff(cpu, p, device) == 0:
            swapon(cpu, device)

    cdef void move_page(self, Cpu cpu, Protocol p, uint32_t mm, uint32_t page) noexcept nogil:
        """Make room at a second place, and move the page there: all pages are in use, as a rule."""
        cdef uint32_t to = <uint32_t>(random_u64(cpu) % self.pages)
        if to != page:
            madvise_dontneed(cpu, p, mm, to, to + 1)
            userfaultfd_move(cpu, p, mm, page, to)

    cdef void on_file(self, Cpu cpu, Protocol p, int operation) noexcept nogil:
        """An operation on one page of a file, or a hole of several."""
        cdef uint32_t inode = <uint32_t>(random_u64(cpu) % cpu.m.geo.inodes), pages = <uint32_t>cpu.m.geo.inode_pages
        cdef uint32_t page = <uint32_t>(random_u64(cpu) % pages)
        if operation == MIX_SHMEM_READ:
            shmem_read(cpu, p, inode, page)
        elif operation == MIX_SHMEM_WRITE:
            shmem_write(cpu, p, inode, page)
        else:
            shmem_truncate(cpu, p, inode, page, page + RANGE_PAGES if page + RANGE_PAGES < pages else pages)

    cdef uint32_t find(self, Cpu cpu, uint32_t state) noexcept nogil:
        """An mm in that state, from a random place on; when there is none, the one at that place."""
        cdef uint32_t first = <uint32_t>(random_u64(cpu) % self.mms), i
        for i in range(self.mms):
            if load32(&cpu.m.mms[(first + i) % self.mms].state) == state:
                return (first + i) % self.mms
        return first

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef int operation = self.choose(cpu)
        cdef uint32_t mm = self.find(cpu, MM_LIVE)
        if operation == MIX_RECLAIM:
            count(cpu, EV_OPERATIONS)
            memory_reclaim(cpu, p, MEMCG, RECLAIM_PAGES)
        elif operation == MIX_EXIT:
            count(cpu, EV_OPERATIONS)
            exit_mm(cpu, p, mm)
        elif operation == MIX_SWAPOFF:
            self.swap_device(cpu, p)
        elif operation == MIX_ZSWAP_WRITEBACK:
            count(cpu, EV_OPERATIONS)
            zswap_shrink_tree(cpu, p, MEMCG, RECLAIM_PAGES)
        elif MIX_SHMEM_READ <= operation <= MIX_SHMEM_TRUNCATE:
            self.on_file(cpu, p, operation)
        elif mmget_not_zero(cpu, mm):
            self.on_mm(cpu, p, operation, mm)
            mmput(cpu, p, mm)
        else:
            mm_init(cpu, mm, home_memcg(cpu, mm))
