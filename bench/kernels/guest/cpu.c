/* One CPU for two threads, the calling one of which runs as soon as it wakes, wherever the other has come to. */
#define _GNU_SOURCE
#include "guest.h"

#include <time.h>

void nap(long ns)
{
    struct timespec delay = {0, ns};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &delay, NULL);
}

void share_one_cpu(pthread_t other)
{
    struct sched_param urgent = {.sched_priority = 10};
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (pthread_setaffinity_np(other, sizeof one, &one) || sched_setaffinity(0, sizeof one, &one))
        die("sched_setaffinity");
    if (sched_setscheduler(0, SCHED_FIFO, &urgent))
        die("sched_setscheduler");
}
