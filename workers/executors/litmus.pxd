"""Words that the programs of the self-test share: those of the segment's first mm, which a schedule resets."""
from libc.stdint cimport uint64_t
from shm.atomic cimport load64, store64
from shm.layout cimport expected_of
from workers.cpu cimport READS, WRITES, Cpu, point

cdef inline uint64_t *word(Cpu cpu, int n) noexcept nogil:
    return &expected_of(&cpu.m, 0)[n]


cdef inline uint64_t get(Cpu cpu, int n) noexcept nogil:
    point(cpu, word(cpu, n), READS)
    return load64(word(cpu, n))


cdef inline void put(Cpu cpu, int n, uint64_t value) noexcept nogil:
    point(cpu, word(cpu, n), WRITES)
    store64(word(cpu, n), value)
