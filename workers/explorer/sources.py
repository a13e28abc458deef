"""Digests of the sources that decide what an execution does: a token keeps them, a replay compares.

The core is what the protocols stand on: shared memory, the seam, mm, operations, scripts, the engine that plays them.
The protocol is its own file and those that it derives from, in the catalogue, in the museum or outside the tree. The
service, the laws, the strategies and the other protocols decide no step.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

from workers.explorer.token import DIGEST_BYTES
from workers.protocols.external import is_external, split
from workers.protocols.registry import protocol

CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = (".pyx", ".pxd", ".h")
FOLDERS = ("shm", "workers/mm", "workers/operations")
STEMS = (
    "workers/cpu",
    "workers/lockdep",
    "workers/workloads/script",
    "workers/workloads/catalogue",
    "workers/schedulers/schedule",
    "workers/schedulers/replay",
    "workers/executors/stacks",
    "workers/executors/execution",
    "workers/executors/engine",
    "workers/executors/cooperative_cpu",
    "workers/executors/program",
    "workers/executors/attending",
    "workers/executors/control",
    "workers/executors/gates",
    "workers/executors/lasso",
    "workers/executors/liveness",
    "workers/executors/script",
    "workers/executors/plan",
    "workers/workloads/workload",
    "workers/spec",
)


def core_sources() -> list[Path]:
    """The files of the core, from the checkout, in the order of their names."""
    found = {CHECKOUT / "shm" / name for name in ("geometry.py", "records.py")}
    found |= {path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*") if path.suffix in KINDS}
    found |= {path for stem in STEMS for kind in (*KINDS, ".py") if (path := CHECKOUT / f"{stem}{kind}").exists()}
    return sorted(found)


def protocol_sources(name: str) -> list[Path]:
    """The files of a protocol and of those that it derives from. ValueError: there is no such protocol."""
    found = {split(name)[0]} if is_external(name) else set()
    for cls in type(protocol(name)).__mro__:
        module = sys.modules.get(cls.__module__)
        origin = getattr(module, "__file__", None)
        if origin is None or not cls.__module__.startswith("workers."):
            continue
        stem = CHECKOUT.joinpath(*cls.__module__.split("."))
        found |= {path for kind in KINDS if (path := stem.with_suffix(kind)).exists()}
    return sorted(found)


def digest_of(paths: Iterable[Path]) -> bytes:
    """Names and contents of files as DIGEST_BYTES bytes; a file outside the tree counts by its contents alone."""
    digest = hashlib.sha256()
    for path in paths:
        name = str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else path.name
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.digest()[:DIGEST_BYTES]


def protocol_digest(name: str) -> bytes:
    """Of the files of a protocol. ValueError: there is none of that name, or its file does not compile."""
    return digest_of(protocol_sources(name))


def core_digest() -> bytes:
    """Of the files of the core."""
    return digest_of(core_sources())
