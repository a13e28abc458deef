"""Files of tmpfs under load."""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol
from workers.operations.shmem cimport shmem_read, shmem_write
from workers.workloads.workload cimport Workload


cdef class ShmemFault(Workload):
    """Programs read and write the same file, half of which is in memory: whoever is ahead brings a page back, the others catch
    up and collide with it."""

    cdef void prepare(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t page
        for page in range(self.pages):
            shmem_write(cpu, p, 0, page)

    cdef void step(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef uint32_t page = self.next_page(cpu)
        if self.stores(cpu):
            shmem_write(cpu, p, 0, page)
        else:
            shmem_read(cpu, p, 0, page)
