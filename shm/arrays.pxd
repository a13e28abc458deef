"""Where the arrays of a segment lie."""
from shm.layout cimport layout_t

cdef dict spans(layout_t *m)
