/* Whether a child's MADV_FREE loses a page that its parent has swapped in and not stored to since (museum 39).

   The parent stores to its pages, has them swapped out, and loads them. A child is forked, and gives them up. Then the
   kernel is asked for memory: by MADV_PAGEOUT of the parent once the child has left, or by the cgroup's memory.reclaim while
   both are there. The parent looks for what it stored. In each control one of these steps is left out. */
#define _GNU_SOURCE
#include "guest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 256, TRIES = 64, MIB = 1 << 20 };

struct variant {
    const char *name;
    bool swaps, stores, frees, stays;
};

static const struct variant VARIANTS[] = {
    {"child leaves, MADV_PAGEOUT", true, false, true, false},
    {"child stays, memory.reclaim", true, false, true, true},
    {"control: child frees nothing", true, false, false, false},
    {"control: parent stores after it has loaded", true, true, true, false},
    {"control: never swapped out", false, false, true, false},
};

static unsigned char mark(size_t page)
{
    return page % 251 + 1;
}

static pid_t child_of(unsigned char *pages, const struct variant *how)
{
    int ready[2];
    char byte = 0;

    if (pipe(ready))
        die("pipe");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        if (how->frees && madvise(pages, PAGES * PAGE, MADV_FREE))
            die("MADV_FREE");
        if (write(ready[1], &byte, 1) != 1)
            die("write");
        while (how->stays)
            pause();
        _exit(0);
    }
    if (read(ready[0], &byte, 1) != 1)
        die("read");
    close(ready[0]);
    close(ready[1]);
    if (!how->stays)
        waitpid(child, NULL, 0);
    return child;
}

static void ask_for_memory(unsigned char *pages, const struct variant *how)
{
    for (int i = 0; i < TRIES; i++) {
        if (how->stays)
            try_tell("/cgroup/lazyfree/memory.reclaim", "%d", PAGES * PAGE);
        else if (madvise(pages, PAGES * PAGE, MADV_PAGEOUT))
            die("MADV_PAGEOUT");
    }
}

static void play(const struct variant *how)
{
    unsigned char *pages = map_pages(PAGES, PAGE);
    volatile unsigned char seen;
    size_t lost = 0;

    madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < PAGES; i++)
        memset(pages + i * PAGE, mark(i), PAGE);
    if (how->swaps) {
        size_t present = page_out(pages, PAGES);
        if (present)
            printf("note: %zu of %d pages were not swapped out\n", present, PAGES);
        for (size_t i = 0; i < PAGES; i++)
            seen = pages[i * PAGE];
    }
    (void)seen;
    if (how->stores)
        for (size_t i = 0; i < PAGES; i++)
            pages[i * PAGE] = mark(i);
    pid_t child = child_of(pages, how);
    ask_for_memory(pages, how);
    for (size_t i = 0; i < PAGES; i++)
        lost += pages[i * PAGE] != mark(i);
    if (how->stays) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    munmap(pages, PAGES * PAGE);
    printf("row: %s | lost %zu of %d\n", how->name, lost, PAGES);
}

int lazyfree(int argc, char **argv)
{
    (void)argc, (void)argv;
    swap_on(64 * MIB);
    mkdir("/cgroup/lazyfree", 0755);
    tell("/cgroup/lazyfree/cgroup.procs", "%d", getpid());
    for (size_t i = 0; i < sizeof VARIANTS / sizeof *VARIANTS; i++)
        play(&VARIANTS[i]);
    return 0;
}
