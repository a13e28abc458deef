"""A Dask cluster on this machine, as a program: one worker an argument, each with the CPU set of its argument.

`-` stands for no CPU set. Prints the address of the scheduler, and ends when its standard input does. A worker that
dies is started again, as Dask's nannies do.
"""

from __future__ import annotations

import logging
import sys

import dask
from distributed import LocalCluster, Nanny, Scheduler, SpecCluster


def main(sets: list[str]) -> None:
    """Serve until end of file on standard input."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    dask.config.set({"distributed.admin.log-format": "%(message)s", "distributed.scheduler.worker-ttl": None})
    if set(sets) == {"-"}:
        options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
        cluster: SpecCluster = LocalCluster(n_workers=len(sets), **options)
    else:
        workers = {
            number: {
                "cls": Nanny,
                "options": {"nthreads": 1, "memory_limit": 0, "dashboard": False, "env": {"SWAPRACE_CPU_SET": cpus}},
            }
            for number, cpus in enumerate(sets)
        }
        cluster = SpecCluster(workers=workers, scheduler={"cls": Scheduler, "options": {"dashboard": False}})
    with cluster:
        cluster.wait_for_workers(len(sets))
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
