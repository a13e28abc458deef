"""A zram keeps the caller busy and is done when the call returns; a disk has a CPU of its own that completes requests.

The completion of a read sets the folio uptodate and unlocks it; that of a write ends writeback. Whoever waits sleeps on
the folio. Only as many requests as the queue is deep are served at once; the others begin when one of those ends.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from shm.atomic cimport add32, add_i64, load32, store32
from shm.folio cimport PG_DIRTY, PG_ERROR, PG_RECLAIM, PG_UPTODATE, PG_WRITEBACK, folio_nr_pages
from shm.inject cimport INJECT_DEVICE_ERROR, INJECT_DEVICE_SLOW
from shm.layout cimport block_of, payload_of
from shm.swapfile cimport device_t, io_request
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.slots cimport slot_is_zero
from shm.vmstat cimport (
    EV_PSWPIN, EV_PSWPOUT, EV_READ_ERRORS, EV_SWPIN_ZERO, EV_SWPOUT_ZERO, EV_WRITE_ERRORS, WAIT_DEVICE,
    WARN_READ_MIXED,
)
from workers.cpu cimport READS, WRITES, Cpu, account, count, injected, point, warn
from workers.mm.checks cimport check_reader
from workers.mm.content cimport content_clear, content_copy, content_is_zero
from workers.mm.errno cimport EIO, ENOENT
from workers.mm.filemap cimport (
    folio_end_writeback, folio_lock_from_io, folio_lock_to_io, folio_unlock, wake_event,
)
from workers.mm.memcontrol cimport slot_of
from workers.mm.page_alloc cimport (
    folio_clear, folio_get, folio_of, folio_pages, folio_put, folio_set, stack_pop,
)
from workers.mm.swapfile cimport synchronous_io, zeromap_set
from workers.mm.zswap cimport zswap_load, zswap_store

cdef enum:
    SLOW_TIMES = 20  # an injected slow request takes that many times as long
    DEVICE_IDLE_NS = 5000000  # how long a device CPU sleeps before it looks whether all others have left


cdef uint32_t block_for_write(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The block of a slot, allocated at its first write; 0 when the store is full. Context: slot pinned by its folio."""
    cdef uint32_t *handle = &cpu.m.handles[slot_of(cpu, entry)]
    cdef uint32_t device = swp_type(entry), block = load32(handle)
    if block == 0:
        block = stack_pop(cpu, &cpu.m.devices[device].free_blocks, &cpu.m.block_next[device * (cpu.m.geo.blocks + 1)])
        store32(handle, block)
    return block


cdef uint64_t latency_ns(Cpu cpu, uint32_t pfn, swp_entry_t entry, bint write) noexcept nogil:
    """How long a request takes, page by page, an injected delay included. Context: a reference of the folio held."""
    cdef device_t *dev = &cpu.m.devices[swp_type(entry)]
    cdef uint64_t ns = (dev.write_ns if write else dev.read_ns) * folio_pages(cpu, pfn)
    return ns * SLOW_TIMES if injected(cpu, INJECT_DEVICE_SLOW) else ns


cdef bint store_folio(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Copy a folio to its slots' blocks, page by page; False when a page could not be. Context: as store_block."""
    cdef uint32_t i
    for i in range(folio_pages(cpu, pfn)):
        if not store_block(cpu, pfn + i, entry + i):
            return False
    return True


cdef bint load_folio(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Copy the blocks of a folio's slots to its pages; False when a page could not be. Context: folio locked."""
    cdef uint32_t i
    check_reader(cpu, pfn, entry)
    for i in range(folio_pages(cpu, pfn)):
        if not load_block(cpu, pfn + i, entry + i):
            return False
    return True


cdef bint store_block(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Copy a page to its slot's block; False when the store is full, or fails. Context: folio locked or under writeback."""
    cdef uint32_t block = block_for_write(cpu, entry)
    if block == 0 or injected(cpu, INJECT_DEVICE_ERROR):
        return False
    point(cpu, &cpu.m.handles[slot_of(cpu, entry)], WRITES)
    content_copy(block_of(&cpu.m, swp_type(entry), block), payload_of(&cpu.m, pfn), cpu.m.geo.payload_bytes)
    return True


cdef bint load_block(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Copy a slot's block to a page; a slot that the driver has dropped reads as zeroes, as a zram's does. False: it fails.

    Context: folio locked.
    """
    cdef uint32_t block
    if injected(cpu, INJECT_DEVICE_ERROR):
        count(cpu, EV_READ_ERRORS)
        return False
    point(cpu, &cpu.m.handles[slot_of(cpu, entry)], READS)
    block = load32(&cpu.m.handles[slot_of(cpu, entry)])
    if block:
        memcpy(payload_of(&cpu.m, pfn), block_of(&cpu.m, swp_type(entry), block), cpu.m.geo.payload_bytes)
    else:
        memset(payload_of(&cpu.m, pfn), 0, cpu.m.geo.payload_bytes)
    return True


cdef void submit(Cpu cpu, uint32_t pfn, swp_entry_t entry, bint write) noexcept nogil:
    """Queue a request; its deadline is when a place in the queue is free, and the latency after that.

    A write has a reference of its own; what is read is locked, and the swap cache has one, as in the kernel.
    Context: folio locked or under writeback; takes device lock.
    """
    cdef device_t *dev = &cpu.m.devices[swp_type(entry)]
    cdef io_request *ring = &cpu.m.requests[swp_type(entry) * cpu.m.geo.folios]
    cdef io_request *req
    cdef uint64_t start = cpu.now()
    cdef bint sleeping
    if write:
        folio_get(cpu, pfn)
    cpu.lock(&dev.lock)
    if dev.in_flight >= dev.queue_depth:
        req = &ring[(dev.tail - dev.queue_depth) % dev.capacity]
        start = req.deadline_ns if req.deadline_ns > start else start
    req = &ring[dev.tail % dev.capacity]
    req.deadline_ns = start + latency_ns(cpu, pfn, entry, write)
    req.entry = entry
    req.pfn = pfn
    req.write = write
    dev.tail += 1
    dev.in_flight += 1
    sleeping = dev.sleeping
    dev.sleeping = 0
    cpu.unlock(&dev.lock)
    if sleeping:
        cpu.wake(dev.cpu)


cdef bint zeromap_store(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Have the map say of a folio's slots whether it is all zeroes (kernel: swap_zeromap_folio_set, _clear). Whether it is.

    Context: folio locked, unmapped, in the swap cache: nobody else looks at or changes the bits of its slots.
    """
    cdef uint32_t i, nr = folio_nr_pages(folio_of(cpu, pfn))
    cdef uint64_t slot = slot_of(cpu, entry)
    cdef bint zero = True
    for i in range(nr):
        zero = zero and content_is_zero(payload_of(&cpu.m, pfn + i), cpu.m.geo.payload_bytes)
    for i in range(nr):
        zeromap_set(cpu, slot + i, zero)
    cpu.my.events[EV_SWPOUT_ZERO] += nr if zero else 0
    return zero


cdef int swap_writeout(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Give a folio's slots a copy of it, and unlock it: a bit of the zero-filled map, zswap, or the device.

    0, or -EIO: the store is full, and the folio dirty again. AOP_WRITEPAGE_ACTIVATE: zswap takes no page, and may write
    none to the device. Context: folio locked, unmapped, clean flag cleared by us, in the swap cache; the folio lock is given up
    unless AOP_WRITEPAGE_ACTIVATE.
    """
    cdef swp_entry_t entry = folio_of(cpu, pfn).swap
    cdef bint stored = cpu.m.geo.zeromap and zeromap_store(cpu, pfn, entry)
    if not stored and cpu.m.geo.zswap_pages:
        stored = zswap_store(cpu, pfn, entry)
        if not stored and not cpu.m.zswap.writeback:
            folio_set(folio_of(cpu, pfn), PG_DIRTY)
            return AOP_WRITEPAGE_ACTIVATE
    if stored:
        folio_unlock(cpu, pfn)
        return 0
    return swap_writepage(cpu, pfn, entry)


cdef int swap_writepage(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Write a folio to its slots on the device, and unlock it. 0 or -EIO (the store is full: the folio is dirty again).

    Context: folio locked, clean, in the swap cache; the folio lock is given up.
    """
    cdef uint64_t since = cpu.now()
    cdef bint stored
    cpu.my.events[EV_PSWPOUT] += folio_pages(cpu, pfn)
    if not synchronous_io(cpu, entry):
        folio_set(folio_of(cpu, pfn), PG_WRITEBACK)
        add_i64(&cpu.m.control.nr_writeback, 1)
        submit(cpu, pfn, entry, True)
        folio_unlock(cpu, pfn)
        return 0
    cpu.busy(latency_ns(cpu, pfn, entry, True))
    stored = store_folio(cpu, pfn, entry)
    account(cpu, WAIT_DEVICE, since)
    if not stored:
        count(cpu, EV_WRITE_ERRORS)
        folio_set(folio_of(cpu, pfn), PG_DIRTY)
    folio_unlock(cpu, pfn)
    return 0 if stored else EIO


cdef void end_read(Cpu cpu, uint32_t pfn, bint loaded) noexcept nogil:
    """The folio has its content, or never will. Context: folio locked for the read."""
    folio_set(folio_of(cpu, pfn), PG_UPTODATE if loaded else PG_ERROR)


cdef bint zeromap_load(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Fill a folio with zeroes when the map says so of its slots. False: of none.

    Of some of them alone it is an error, as in the kernel (law T10). That comes of a range that was alike when the folio was
    allocated, under the page-table lock, and whose slots have changed hands before it was in the swap cache.
    Context: folio locked for the read.
    """
    cdef uint32_t i, zeroes = 0, nr = folio_nr_pages(folio_of(cpu, pfn))
    for i in range(nr):
        zeroes += slot_is_zero(&cpu.m, slot_of(cpu, entry + i))
    if zeroes == nr:
        check_reader(cpu, pfn, entry)
        for i in range(nr):
            content_clear(payload_of(&cpu.m, pfn + i), cpu.m.geo.payload_bytes)
        cpu.my.events[EV_SWPIN_ZERO] += nr
    elif zeroes:
        warn(cpu, WARN_READ_MIXED, entry, zeroes, nr)
        count(cpu, EV_READ_ERRORS)
    if zeroes:
        end_read(cpu, pfn, zeroes == nr)
    return zeroes != 0


cdef void swap_read_folio(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Read a folio from its slot. What is zero, or in zswap, and what lies on a synchronous device is uptodate and
    unlocked at return; else the completion will do it.

    Context: folio locked by us and not uptodate; the folio lock is given up.
    """
    cdef swp_entry_t entry = folio_of(cpu, pfn).swap
    cdef uint64_t since
    if (cpu.m.geo.zeromap and zeromap_load(cpu, pfn, entry)) or (
            cpu.m.geo.zswap_pages and zswap_load(cpu, pfn, entry) != ENOENT):
        folio_unlock(cpu, pfn)
        return
    since = cpu.now()
    cpu.my.events[EV_PSWPIN] += folio_pages(cpu, pfn)
    if not synchronous_io(cpu, entry):
        folio_lock_to_io(cpu, pfn)
        submit(cpu, pfn, entry, False)
        return
    cpu.busy(latency_ns(cpu, pfn, entry, False))
    end_read(cpu, pfn, load_folio(cpu, pfn, entry))
    account(cpu, WAIT_DEVICE, since)
    folio_unlock(cpu, pfn)


cdef void complete(Cpu cpu, io_request *req) noexcept nogil:
    """End of a request (kernel: end_swap_bio_read, end_swap_bio_write). Context: device CPU, no lock held."""
    cdef uint32_t pfn = req.pfn
    if req.write:
        if not store_folio(cpu, pfn, req.entry):
            count(cpu, EV_WRITE_ERRORS)
            folio_set(folio_of(cpu, pfn), PG_DIRTY)
        folio_clear(folio_of(cpu, pfn), PG_RECLAIM)
        add_i64(&cpu.m.control.nr_writeback, -1)
        folio_end_writeback(cpu, pfn)
        wake_event(cpu, &cpu.m.control.nr_writeback)
        folio_put(cpu, pfn)
    else:
        end_read(cpu, pfn, load_folio(cpu, pfn, req.entry))
        folio_lock_from_io(cpu, pfn)
        folio_unlock(cpu, pfn)


cdef bint next_request(Cpu cpu, uint32_t device, io_request *out) noexcept nogil:
    """Take the request with the earliest deadline among those in service. False: none. Context: device lock held."""
    cdef device_t *dev = &cpu.m.devices[device]
    cdef io_request *ring = &cpu.m.requests[device * cpu.m.geo.folios]
    cdef uint32_t i, first = dev.head
    if dev.head == dev.tail:
        return False
    for i in range(dev.head + 1, dev.tail):
        if i - dev.head >= dev.queue_depth:
            break
        if ring[i % dev.capacity].deadline_ns < ring[first % dev.capacity].deadline_ns:
            first = i
    out[0] = ring[first % dev.capacity]
    while first != dev.head:
        ring[first % dev.capacity] = ring[(first - 1) % dev.capacity]
        first -= 1
    dev.head += 1
    return True


cdef void serve_device(Cpu cpu, uint32_t device) noexcept nogil:
    """What the CPU of a disk does until all working CPUs have left and no request is under way.

    Context: no lock held; sleeps.
    """
    cdef device_t *dev = &cpu.m.devices[device]
    cdef io_request req
    cdef uint64_t now
    while True:
        cpu.lock(&dev.lock)
        if next_request(cpu, device, &req):
            cpu.unlock(&dev.lock)
            now = cpu.now()
            while req.deadline_ns > now:  # a wake-up for an arrival may come early
                cpu.park_timeout(req.deadline_ns - now, WAIT_DEVICE)
                now = cpu.now()
            complete(cpu, &req)
            cpu.lock(&dev.lock)
            dev.in_flight -= 1
            cpu.unlock(&dev.lock)
            continue
        if load32(&cpu.m.control.cpus_working) == 0:
            cpu.unlock(&dev.lock)
            return
        dev.sleeping = 1
        cpu.unlock(&dev.lock)
        cpu.park_timeout(DEVICE_IDLE_NS, WAIT_DEVICE)


cdef void worker_leaves(Cpu cpu) noexcept nogil:
    """Context: no lock held; after its last operation. The device's CPU goes after the last one."""
    add32(&cpu.m.control.cpus_working, <uint32_t>-1)
