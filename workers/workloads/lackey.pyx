"""Reads what `valgrind --tool=lackey --trace-mem=yes` prints and keeps the page references that matter.

A line is one access: ` L 1fff000778,8` loads, ` S` stores, ` M` loads and stores the same bytes, `I ` fetches an
instruction; address in hex, size in bytes. Lines that start with `==` are messages. The text runs to gigabytes, so it
is read block by block without the GIL, in memory that grows with the distinct pages and the kept references only.
"""

from array import array

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memmove

cdef enum:
    PAGE_SHIFT = 12
    SHORTEST_LINE_BYTES = 6   # " L 0,1": bounds the accesses in a block
    LONGEST_LINE_BYTES = 4096  # what is longer is no line of lackey's

MAX_WINDOW_PAGES = 256  # the window is searched from its front, one entry after the other


cdef class LackeyParser:
    """The stream of one process.

    window_pages: how many recently touched pages are remembered; a reference to one of them is dropped unless it is
    the first store to it. limit: how many references are kept (later ones are dropped and `full` is set).
    """

    cdef uint64_t *table_page  # open addressing; page number + 1, 0 means empty
    cdef uint32_t *table_id
    cdef size_t table_size
    cdef uint32_t pages_
    cdef uint64_t *window_page  # most recent first
    cdef uint32_t *window_id
    cdef uint8_t *window_stored
    cdef uint32_t window_size
    cdef uint32_t window_used
    cdef uint32_t *kept
    cdef size_t kept_used
    cdef size_t kept_size
    cdef size_t limit
    cdef uint64_t seen_
    cdef uint64_t stores_
    cdef bint with_instructions
    cdef bytes carry
    cdef readonly bint full
    cdef readonly list messages

    def __cinit__(self, uint32_t window_pages, size_t limit, bint instructions=False):
        if not 1 <= window_pages <= MAX_WINDOW_PAGES:
            raise ValueError(f"window_pages is {window_pages}; it must lie between 1 and {MAX_WINDOW_PAGES}")
        self.table_size = 1 << 12
        self.kept_size = 1 << 16
        self.window_size = window_pages
        self.limit = limit
        self.with_instructions = instructions
        self.carry = b""
        self.messages = []
        self.table_page = <uint64_t *>calloc(self.table_size, sizeof(uint64_t))
        self.table_id = <uint32_t *>calloc(self.table_size, sizeof(uint32_t))
        self.window_page = <uint64_t *>calloc(window_pages, sizeof(uint64_t))
        self.window_id = <uint32_t *>calloc(window_pages, sizeof(uint32_t))
        self.window_stored = <uint8_t *>calloc(window_pages, 1)
        self.kept = <uint32_t *>malloc(self.kept_size * sizeof(uint32_t))
        if not (self.table_page and self.table_id and self.window_page and self.window_id and self.window_stored
                and self.kept):
            raise MemoryError("no memory to read the trace")

    def __dealloc__(self):
        free(self.table_page)
        free(self.table_id)
        free(self.window_page)
        free(self.window_id)
        free(self.window_stored)
        free(self.kept)

    @property
    def pages(self):
        """Distinct pages touched so far."""
        return self.pages_

    @property
    def references_seen(self):
        """Accesses read so far, before the window drops any."""
        return self.seen_

    @property
    def stores_kept(self):
        """Stores among the kept references."""
        return self.stores_

    def __len__(self):
        return self.kept_used

    def references(self):
        """The kept references as array('I'), each page << 1 | is_store."""
        result = array("I")
        if self.kept_used:
            result.frombytes((<char *>self.kept)[:self.kept_used * sizeof(uint32_t)])
        return result

    def feed(self, bytes block):
        """Reads the next bytes of the stream; a line may be cut anywhere between two blocks.

        Error: ValueError for a line that lackey does not print.
        """
        cdef bytes text = self.carry + block if self.carry else block
        cdef const char *start = PyBytes_AS_STRING(text)
        cdef const char *end = start + len(text)
        cdef const char *at = start
        cdef const char *newline
        self.reserve(2 * <size_t>len(text) // SHORTEST_LINE_BYTES + 2)
        while True:
            with nogil:
                at = self.parse(at, end)
            newline = <const char *>memchr(at, b"\n", end - at)
            if newline == NULL:
                break
            self.message(at[:newline - at])
            at = newline + 1
        self.carry = at[:end - at]
        if len(self.carry) > LONGEST_LINE_BYTES:
            raise ValueError(f"not a trace of lackey: a line of more than {LONGEST_LINE_BYTES} bytes")

    def message(self, bytes line):
        if not line.startswith((b"==", b"--", b"**")) and line.strip():
            raise ValueError(f"not a line of lackey's trace: {line[:80]!r}")
        if len(self.messages) < 64:
            self.messages.append(line.decode(errors="replace"))

    cdef const char *parse(self, const char *at, const char *end) noexcept nogil:
        """Reads access lines; stops at the first line that is none, or is not complete. Returns where it stopped."""
        cdef const char *newline
        cdef const char *digit
        cdef uint64_t address
        cdef uint32_t size
        cdef char kind
        while at < end:
            newline = <const char *>memchr(at, b"\n", end - at)
            if newline == NULL:
                return at
            if newline - at < SHORTEST_LINE_BYTES:
                return at
            if at[0] == c'I' and at[1] == c' ':
                kind = c'I'
            elif at[0] == c' ' and at[2] == c' ' and (at[1] == c'L' or at[1] == c'S' or at[1] == c'M'):
                kind = at[1]
            else:
                return at
            if kind != c'I' or self.with_instructions:
                digit = at + 3
                address = 0
                while hex_value(digit[0]) < 16:
                    address = address << 4 | hex_value(digit[0])
                    digit += 1
                if digit[0] != c',' or digit == at + 3:
                    return at
                digit += 1
                size = 0
                while c'0' <= digit[0] <= c'9':
                    size = size * 10 + <uint32_t>(digit[0] - c'0')
                    digit += 1
                if digit != newline or size == 0:
                    return at
                self.touch(address >> PAGE_SHIFT, kind == c'S' or kind == c'M')
                if (address + size - 1) >> PAGE_SHIFT != address >> PAGE_SHIFT:
                    self.touch((address + size - 1) >> PAGE_SHIFT, kind == c'S' or kind == c'M')
            at = newline + 1
        return at

    cdef void touch(self, uint64_t page, bint is_store) noexcept nogil:
        """One reference: through the window, and kept when the window does not hold it."""
        cdef uint32_t i = 0
        cdef uint32_t page_id
        cdef bint stored
        self.seen_ += 1
        while i < self.window_used and self.window_page[i] != page:
            i += 1
        if i < self.window_used:
            page_id = self.window_id[i]
            stored = self.window_stored[i]
            if is_store and not stored:
                self.keep(page_id, True)
                stored = True
        elif self.kept_used < self.limit:
            page_id = self.number(page)
            self.keep(page_id, is_store)
            stored = is_store
            if self.window_used < self.window_size:
                self.window_used += 1
            i = self.window_used - 1
        else:
            self.full = True
            return
        if i:
            memmove(self.window_page + 1, self.window_page, i * sizeof(uint64_t))
            memmove(self.window_id + 1, self.window_id, i * sizeof(uint32_t))
            memmove(self.window_stored + 1, self.window_stored, i)
        self.window_page[0] = page
        self.window_id[0] = page_id
        self.window_stored[0] = stored

    cdef void keep(self, uint32_t page_id, bint is_store) noexcept nogil:
        if self.kept_used >= self.limit:
            self.full = True
            return
        self.kept[self.kept_used] = page_id << 1 | is_store
        self.kept_used += 1
        self.stores_ += is_store

    cdef uint32_t number(self, uint64_t page) noexcept nogil:
        """The number of a page in order of first touch."""
        cdef size_t slot = self.slot(page)
        if self.table_page[slot] == 0:
            self.table_page[slot] = page + 1
            self.table_id[slot] = self.pages_
            self.pages_ += 1
        return self.table_id[slot]

    cdef size_t slot(self, uint64_t page) noexcept nogil:
        cdef size_t slot = (page * <uint64_t>0x9E3779B97F4A7C15 >> 32) & (self.table_size - 1)
        while self.table_page[slot] != 0 and self.table_page[slot] != page + 1:
            slot = (slot + 1) & (self.table_size - 1)
        return slot

    cdef int reserve(self, size_t more) except -1:
        """Room for `more` new pages and kept references, so that parsing never allocates."""
        cdef size_t wanted = min(self.kept_used + more, max(self.limit, 1))
        cdef uint32_t *kept
        if wanted > self.kept_size:
            wanted = max(wanted, 2 * self.kept_size)
            kept = <uint32_t *>realloc(self.kept, wanted * sizeof(uint32_t))
            if kept == NULL:
                raise MemoryError(f"no memory for {wanted} references")
            self.kept = kept
            self.kept_size = wanted
        while 2 * (self.pages_ + more) > self.table_size:
            self.grow_table()
        return 0

    cdef int grow_table(self) except -1:
        cdef uint64_t *old_page = self.table_page
        cdef uint32_t *old_id = self.table_id
        cdef size_t old_size = self.table_size
        cdef size_t i, slot
        cdef uint64_t *new_page = <uint64_t *>calloc(2 * old_size, sizeof(uint64_t))
        cdef uint32_t *new_id = <uint32_t *>calloc(2 * old_size, sizeof(uint32_t))
        if new_page == NULL or new_id == NULL:
            free(new_page)
            free(new_id)
            raise MemoryError(f"no memory for a table of {2 * old_size} pages")
        self.table_page, self.table_id, self.table_size = new_page, new_id, 2 * old_size
        for i in range(old_size):
            if old_page[i]:
                slot = self.slot(old_page[i] - 1)
                self.table_page[slot] = old_page[i]
                self.table_id[slot] = old_id[i]
        free(old_page)
        free(old_id)
        return 0


cdef inline uint32_t hex_value(char c) noexcept nogil:
    """0 to 15, or 16 for a character that is no hex digit."""
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    return 16
