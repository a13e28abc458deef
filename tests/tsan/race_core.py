"""All operations of a protocol on CPUs that are threads over one segment: what ThreadSanitizer watches.

    LD_PRELOAD=libtsan.so setarch -R python race_core.py PROTOCOL DEVICE LOCK SECONDS

Prints one JSON object: operations done by name, and the laws violated. The sanitizer reports on standard error.
"""

import json
import mmap
import sys
import threading
import time

from workers.executors.control import figures, format_run, set_stop
from workers.executors.plan import plan
from workers.executors.program import Program
from workers.invariants.registry import check_at_rest
from workers.spec import RunSpec

MIX = {
    "load": 2000,
    "store": 2000,
    "pageout": 30,
    "dontneed": 10,
    "reclaim": 60,
    "fork": 20,
    "exit": 15,
    "swapoff": 1,
    "munmap": 5,
    "mmap": 15,
}
CPUS = 4


def main(protocol: str, device: str, lock: str, seconds: str) -> int:
    spec = RunSpec(
        protocol=protocol,
        scenario="mix",
        cpus=CPUS,
        pages=96,
        cluster_slots=64,
        mix=MIX,
        lock=lock,
        device={"kind": device, "read_ns": 20_000, "write_ns": 20_000},
        memcg={"version": 1},
        inject={"charge": 500},
    )
    shape = plan(spec)
    segment = mmap.mmap(-1, shape.size)
    format_run(segment, shape, spec)
    programs = [Program(segment, spec, cpu) for cpu in range(shape.workers)]
    disks = [threading.Thread(target=program.run) for program in programs[CPUS:]]
    for thread in disks:
        thread.start()
    programs[0].prepare()
    cpus = [threading.Thread(target=program.run) for program in programs[:CPUS]]
    for thread in cpus:
        thread.start()
    time.sleep(float(seconds))
    set_stop(segment)
    for thread in cpus + disks:
        thread.join()
    told = {"events": figures(segment, shape)["events"], "violations": check_at_rest(segment, protocol)}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
