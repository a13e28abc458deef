/* How long the second CPU waits that faults a page which the first one is swapping in.

   A thread loads a page that is swapped out. A real-time thread of the same CPU sleeps for `delay`, runs wherever the first
   one has come to, and loads the same page: it loses, has to sleep, and so lets the winner go on. The winner is done
   at once; what the loser sleeps beyond that is its protocol's. The delays sweep over the whole fault. */
#define _GNU_SOURCE
#include "guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MIB = 1 << 20, STEP_NS = 250 };

static unsigned char *page;
static _Atomic int turn;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long sleeps(void)
{
    struct rusage used;

    getrusage(RUSAGE_THREAD, &used);
    return used.ru_nvcsw;
}

static void *win(void *unused)
{
    static volatile unsigned char seen;

    for (;;) {
        while (!atomic_load(&turn))
            sched_yield();
        seen = *page;
        atomic_store(&turn, 0);
    }
    (void)seen;
    return unused;
}

/* The nanoseconds that the loser's load took; 0 where it did not sleep. */
static int64_t load_second(long delay_ns)
{
    static volatile unsigned char seen;

    atomic_store(&turn, 1);
    nap(delay_ns);
    long slept = sleeps();
    int64_t since = now_ns();
    seen = *page;
    int64_t took = now_ns() - since;
    (void)seen;
    slept = sleeps() - slept;
    while (atomic_load(&turn))
        nap(20000);
    return slept ? took : 0;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int losers(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 4000, longest_ns = 1000 * (argc > 2 ? atol(argv[2]) : 100), met = 0;
    int64_t *waits = calloc(rounds + 1, sizeof *waits);
    struct timespec tick;
    pthread_t winner;

    swap_on(16 * MIB);
    page = map_pages(1, PAGE);
    memset(page, 1, PAGE);
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    if (!waits || pthread_create(&winner, NULL, win, NULL))
        die("pthread_create");
    share_one_cpu(winner);
    for (long i = 0; i < rounds; i++)
        if (page_out(page, 1) == 0 && (waits[met] = load_second(1000 + i * STEP_NS % longest_ns)))
            met++;
    qsort(waits, met, sizeof *waits, by_value);
    printf("row: %ld rounds | %ld times the second one slept", rounds, met);
    if (met)
        printf(": p50 %.2f, p99 %.2f, longest %.2f ticks of %.0f ms", (double)waits[met / 2] / tick.tv_nsec,
               (double)waits[met * 99 / 100] / tick.tv_nsec, (double)waits[met - 1] / tick.tv_nsec, tick.tv_nsec / 1e6);
    printf("\n");
    return 0;
}
