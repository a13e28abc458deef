/* Pages, their slots, and the one swap device. */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

static const char DEVICE[] = "/dev/zram0";

static bool write_line(const char *path, const char *format, va_list words)
{
    char line[256];
    int size = vsnprintf(line, sizeof line, format, words);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool taken = fd >= 0 && write(fd, line, size) == size;

    if (fd >= 0)
        close(fd);
    return taken;
}

bool try_tell(const char *path, const char *format, ...)
{
    va_list words;

    va_start(words, format);
    bool taken = write_line(path, format, words);
    va_end(words);
    return taken;
}

void tell(const char *path, const char *format, ...)
{
    va_list words;

    va_start(words, format);
    if (!write_line(path, format, words))
        die(path);
    va_end(words);
}

unsigned char *map_pages(size_t pages, size_t align)
{
    unsigned char *at =
        mmap(NULL, pages * PAGE + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        die("mmap");
    return (unsigned char *)(((uintptr_t)at + align - 1) / align * align);
}

long swap_slot(const void *page)
{
    enum { BITS_OF_TYPE = 5, SWAPPED = 62 };
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t word;

    if (fd < 0 || pread(fd, &word, sizeof word, (uintptr_t)page / PAGE * sizeof word) != sizeof word)
        die("/proc/self/pagemap");
    close(fd);
    return word >> SWAPPED & 1 ? (long)((word & ((1ULL << 55) - 1)) >> BITS_OF_TYPE) : -1;
}

size_t page_out(unsigned char *from, size_t pages)
{
    size_t present = pages;

    for (int tries = 0; present && tries < 50; tries++) {
        if (madvise(from, pages * PAGE, MADV_PAGEOUT))
            die("MADV_PAGEOUT");
        present = 0;
        for (size_t i = 0; i < pages; i++)
            present += swap_slot(from + i * PAGE) < 0;
    }
    return present;
}

/* The header of a swap area, as mkswap(8) writes it. */
static void make_swap(size_t bytes)
{
    enum { VERSION_AT = 1024, LAST_PAGE_AT = 1028, MAGIC_AT = PAGE - 10 };
    static unsigned char header[PAGE];
    uint32_t version = 1, last_page = bytes / PAGE - 1;
    int fd = open(DEVICE, O_WRONLY | O_CLOEXEC);

    memcpy(header + VERSION_AT, &version, sizeof version);
    memcpy(header + LAST_PAGE_AT, &last_page, sizeof last_page);
    memcpy(header + MAGIC_AT, "SWAPSPACE2", 10);
    if (fd < 0 || write(fd, header, sizeof header) != sizeof header || fsync(fd) || close(fd))
        die(DEVICE);
}

void swap_on(size_t bytes)
{
    tell("/sys/block/zram0/disksize", "%zu", bytes);
    make_swap(bytes);
    if (swapon(DEVICE, 0))
        die("swapon");
}

unsigned long in_the_log(const char *text)
{
    enum { READ_ALL = 3, SIZE = 1 << 20 };
    static char log[SIZE + 1];
    int size = klogctl(READ_ALL, log, SIZE);
    unsigned long times = 0;

    log[size > 0 ? size : 0] = '\0';
    for (char *at = log; (at = strstr(at, text)); at++)
        times++;
    return times;
}
