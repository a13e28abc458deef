/* What the programs of the guest share. Each is called with its arguments, prints its rows, and returns 0 or dies. */
#ifndef SWAPRACE_GUEST_H
#define SWAPRACE_GUEST_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { PAGE = 4096 };

/* Prints what failed with errno's text, and ends the guest. */
_Noreturn void die(const char *what);
/* Writes one line to a file of /proc, /sys or a cgroup. */
void tell(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As tell, but says whether the kernel took it. */
bool try_tell(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Private anonymous memory that begins at a multiple of `align` bytes. */
unsigned char *map_pages(size_t pages, size_t align);
/* Whether the PTE holds a swap entry, and its slot (pagemap of proc(5)); -1 where it holds none. */
long swap_slot(const void *page);
/* madvise(MADV_PAGEOUT), as often as it takes until no page of the range is present; how many still are after 50 times. */
size_t page_out(unsigned char *from, size_t pages);
/* A zram of `bytes` as the only swap device. */
void swap_on(size_t bytes);
/* Sleeps for so many nanoseconds. */
void nap(long ns);
/* Binds both threads to CPU 0, and makes the calling one a real-time thread. */
void share_one_cpu(pthread_t other);
/* How often `text` stands in the kernel's log. */
unsigned long in_the_log(const char *text);

int lazyfree(int argc, char **argv);
int losers(int argc, char **argv);
int reused(int argc, char **argv);

#endif
