"""What a protocol does, step by step, whether its own file says it or the one that it derives from.

A protocol's file holds only the steps that differ from its neighbour's. To read two of them against each other, each is
put together: its head, and every step of the seam as its class has it, in the one order that all files share;
steps of its own come after them, by name.
"""

from __future__ import annotations

import re
from pathlib import Path

from workers.catalogue import PROTOCOLS

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDER = CHECKOUT / "workers" / "protocols"
SEAM = CHECKOUT / "workers" / "mm" / "protocol.pyx"
CLASS = re.compile(r"^cdef class (\w+)\((\w+)\):\n", re.MULTILINE)
METHOD = re.compile(r"^    (?:cdef|def) [^\n(]*?\b(\w+)\(self", re.MULTILINE)
HEAD = re.compile(r'\s*"""(.*?)"""', re.DOTALL)


def file_of(name: str) -> Path:
    """The one file of a protocol: in the tree, of the museum, or outside it (`PATH.pyx:Class`)."""
    if ".pyx:" in name:
        return Path(name.rpartition(":")[0])
    return FOLDER / (f"{name}.pyx" if name in PROTOCOLS else f"museum/{name}.pyx")


def methods_of(source: str) -> dict[str, str]:
    """The methods of a file's class: name -> its text, without blank lines at its end."""
    starts = [(match.start(), match[1]) for match in METHOD.finditer(source)]
    ends = [start for start, _ in starts[1:]] + [len(source)]
    return {name: source[start:end].rstrip() for (start, name), end in zip(starts, ends, strict=True)}


def effective_source(name: str) -> str:
    """The head of a protocol and all steps of its class, inherited ones too. Raises OSError."""
    own = file_of(name).read_text(encoding="utf-8")
    files = {entry.cls: FOLDER / f"{entry.name}.pyx" for entry in PROTOCOLS.values()}
    files["Base"] = FOLDER / "base.pyx"
    steps: dict[str, str] = {}
    source: str | None = own
    while source is not None:
        for method, text in methods_of(source).items():
            if not method.startswith("__"):
                steps.setdefault(method, text)
        found = CLASS.search(source)
        parent = files.get(found[2]) if found else None
        source = parent.read_text(encoding="utf-8") if parent else None
    order = list(methods_of(SEAM.read_text(encoding="utf-8")))
    names = [step for step in order if step in steps] + sorted(step for step in steps if step not in order)
    head = HEAD.match(own)
    text = head[0].strip() + "\n\n" if head else ""
    return text + "\n\n".join(steps[step] for step in names) + "\n"
