"""A memcg goes, comes again, and takes in an mm (kernel: mm/memcontrol.c, kernel/cgroup/cgroup.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu

cdef int mem_cgroup_css_offline(Cpu cpu, uint32_t memcg) noexcept nogil
cdef int mem_cgroup_css_online(Cpu cpu, uint32_t memcg) noexcept nogil
cdef int cgroup_attach_mm(Cpu cpu, uint32_t mm, uint32_t memcg) noexcept nogil
