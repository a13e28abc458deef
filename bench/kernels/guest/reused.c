/* Whether a swap-in of several pages ends in SIGBUS when one of their slots changes hands meanwhile (large_fault_reused).

   Sixteen pages that were swapped out as one folio; swap is full. A thread loads the first of them. While it is on its way,
   between its look at the PTEs and its claim of the slots, another one gives page 5 up and has a page of zeroes swapped out:
   it gets the one slot that is free now. All slots are used again and the claim succeeds, but a read meets slots
   with and without contents. The load is one of a page that nobody has touched, from a device without errors.

   Both threads share a CPU. The second one is a real-time thread that sleeps for `delay` and then runs wherever the
   first one has come to, so boot with preempt=full. The delays sweep over the whole fault. */
#define _GNU_SOURCE
#include "guest.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { WHOLE = 16, GIVEN_UP = 5, SLOTS = 1024, STEP_NS = 250 };

#define SIZES "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/"

static unsigned char *whole, *zeroes, *filler;
static _Atomic int turn;
static sigjmp_buf back;
static bool killed;

static void on_bus_error(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

static void *load_whole(void *unused)
{
    static volatile unsigned char seen;

    for (;;) {
        while (!atomic_load(&turn))
            sched_yield();
        killed = sigsetjmp(back, 1) != 0;
        if (!killed)
            seen = whole[0];
        atomic_store(&turn, 0);
    }
    (void)seen;
    return unused;
}

static long counter(const char *path)
{
    FILE *file = fopen(path, "r");
    long value = -1;

    if (file && fscanf(file, "%ld", &value) != 1)
        value = -1;
    if (file)
        fclose(file);
    return value;
}

static bool is_whole(void)
{
    long slot = swap_slot(whole);

    for (int i = 0; i < WHOLE; i++)
        if (slot < 0 || slot % WHOLE || swap_slot(whole + i * PAGE) != slot + i)
            return false;
    return true;
}

/* The sixteen pages swapped out at sixteen slots in a row; false where the kernel found no such place. */
static bool set_out(void)
{
    madvise(whole, WHOLE * PAGE, MADV_DONTNEED);
    madvise(zeroes, PAGE, MADV_DONTNEED);
    for (int i = 0; i < WHOLE; i++)
        memset(whole + i * PAGE, i + 1, PAGE);
    page_out(whole, WHOLE);
    *(volatile unsigned char *)zeroes = 0;
    return is_whole();
}

/* Everything else that swap has room for. */
static void fill_swap(void)
{
    struct sysinfo now;

    for (size_t i = 0; i < SLOTS && sysinfo(&now) == 0 && now.freeswap; i++) {
        memset(filler + i * PAGE, 7, PAGE);
        madvise(filler + i * PAGE, PAGE, MADV_PAGEOUT);
    }
}

/* A load by the other thread; `meddle_after` it began, page 5's slot becomes that of a page of zeroes. */
static bool load_is_killed(long meddle_after)
{
    atomic_store(&turn, 1);
    if (meddle_after) {
        nap(meddle_after);
        madvise(whole + GIVEN_UP * PAGE, PAGE, MADV_DONTNEED);
        madvise(zeroes, PAGE, MADV_PAGEOUT);
    }
    while (atomic_load(&turn))
        nap(20000);
    return killed;
}

/* What helps where a load ended in SIGBUS once and goes on doing so. */
static void tell_how_it_ends(void)
{
    int killed_again = 0;

    for (int i = 0; i < 100; i++)
        killed_again += load_is_killed(0);
    madvise(filler, SLOTS * PAGE, MADV_DONTNEED);
    bool with_room = load_is_killed(0);
    for (int i = 0; i < 100 && load_is_killed(0); i++)
        try_tell("/cgroup/memory.reclaim", "1M");
    printf("row: of one such page: %d of 100 further loads SIGBUS | with swap empty %s | after reclaim %s\n", killed_again,
           with_room ? "SIGBUS" : "well", load_is_killed(0) ? "SIGBUS" : "well");
}

struct told {
    long played, bus_errors, again_well;
};

/* One round; `true` where a load ends in SIGBUS, and so does the next one that nobody meddles with. */
static bool one_round(long delay_ns, struct told *told)
{
    if (!set_out())
        return false;
    told->played++;
    if (!load_is_killed(delay_ns))
        return false;
    told->bus_errors++;
    if (load_is_killed(0))
        return true;
    told->again_well++;
    return false;
}

static void prepare(void)
{
    pthread_t loader;

    swap_on(SLOTS * (size_t)PAGE);
    whole = map_pages(WHOLE, WHOLE * PAGE);
    zeroes = map_pages(1, PAGE);
    filler = map_pages(SLOTS, PAGE);
    madvise(filler, SLOTS * PAGE, MADV_NOHUGEPAGE);
    signal(SIGBUS, on_bus_error);
    if (!set_out())
        printf("note: the first folio was not swapped out as a whole\n");
    fill_swap();
    if (pthread_create(&loader, NULL, load_whole, NULL))
        die("pthread_create");
    share_one_cpu(loader);
}

static void tell_circumstances(long swapped_in)
{
    char line[128];
    FILE *errors = fopen("/sys/block/zram0/io_stat", "r");

    if (swapped_in >= 0)
        printf("note: folios of 64 KiB swapped in: %ld\n", counter(SIZES "stats/swpin") - swapped_in);
    if (errors && fgets(line, sizeof line, errors))
        printf("note: zram0/io_stat (failed reads, failed writes, invalid, freed): %s", line);
}

int reused(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 4000, longest_ns = 1000 * (argc > 2 ? atol(argv[2]) : 100);
    long swapped_in = counter(SIZES "stats/swpin");
    struct told told = {0};
    bool stays = false;

    if (!try_tell(SIZES "enabled", "always")) {
        printf("row: this kernel has no folios of 64 KiB for anonymous memory\n");
        return 0;
    }
    prepare();
    for (long i = 0; i < rounds || (!stays && told.again_well < told.bus_errors && i < 2 * rounds); i++)
        stays = one_round(1000 + i * STEP_NS % longest_ns, &told);
    printf("row: %ld rounds | %ld SIGBUS | well when loaded again: %ld | warnings of mm/page_io.c: %lu\n", told.played,
           told.bus_errors, told.again_well, in_the_log("mm/page_io.c:"));
    tell_circumstances(swapped_in);
    if (stays)
        tell_how_it_ends();
    return 0;
}
