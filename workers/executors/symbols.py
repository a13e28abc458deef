"""Where an address in the compiled core lies: file and function, from the symbol tables of the loaded modules.

Cython's C names carry the module: `__pyx_f_7workers_2mm_10swap_state_swap_cache_add_folio` is the function
swap_cache_add_folio of workers/mm/swap_state. A module without symbols, or code that is not of the core, has no place.
"""

from __future__ import annotations

import bisect
import re
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SECTION_SYMTAB = 2
TYPE_FUNCTION = 2
PREFIX = re.compile(r"__pyx_f_")


@dataclass
class Module:
    """A shared object as it is mapped: the address at which its file begins."""

    path: str
    base: int

    @cached_property
    def functions(self) -> list[tuple[int, int, str]]:
        """Address in the file, bytes, and name of every function; none when the file has no symbols."""
        data = Path(self.path).read_bytes()
        if data[:5] != b"\x7fELF\x02":
            return []
        offset, size, count = struct.unpack_from("<Q", data, 0x28)[0], *struct.unpack_from("<HH", data, 0x3A)
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
        found = []
        for _, kind, _, _, at, length, link, _, _, each in sections:
            if kind != SECTION_SYMTAB:
                continue
            names = sections[link][4]
            for entry in range(at, at + length, each):
                name, info, _, _, value, extent = struct.unpack_from("<IBBHQQ", data, entry)
                if info & 0xF == TYPE_FUNCTION and value:
                    end = data.index(b"\0", names + name)
                    found.append((value, extent, data[names + name : end].decode()))
        return sorted(found)


class Symbols:
    """The modules of this process, and what lies where in them."""

    def __init__(self) -> None:
        self._places: dict[int, str | None] = {}
        self._modules: list[tuple[int, int, Module]] = []
        bases: dict[str, Module] = {}
        with open("/proc/self/maps", encoding="utf-8") as maps:
            for line in maps:
                fields = line.split(maxsplit=5)
                if len(fields) < 6 or not fields[5].strip().endswith(".so"):
                    continue
                start, end = (int(part, 16) for part in fields[0].split("-"))
                path = fields[5].strip()
                module = bases.setdefault(path, Module(path, start - int(fields[2], 16)))
                self._modules.append((start, end, module))

    def place(self, address: int) -> str | None:
        """`file:function` of an address in the core, such as workers/mm/filemap.pyx:folio_lock; None elsewhere."""
        if address not in self._places:
            self._places[address] = self._find(address)
        return self._places[address]

    def _find(self, address: int) -> str | None:
        for start, end, module in self._modules:
            if start <= address < end:
                functions = module.functions
                inside = address - module.base
                at = bisect.bisect_right(functions, (inside, 1 << 62, "")) - 1
                if at >= 0 and functions[at][0] <= inside < functions[at][0] + max(functions[at][1], 1):
                    return demangled(functions[at][2])
        return None


def demangled(name: str) -> str | None:
    """A C name of Cython as `file:function`, a method as `file:Class.method`; None for another name."""
    found = PREFIX.match(name)
    if not found:
        return None
    rest, parts = name[found.end() :].split(".")[0], []
    while rest[:1].isdigit():
        digits = re.match(r"\d+", rest)
        assert digits
        length = int(digits[0])
        rest = rest[digits.end() :]
        parts.append(rest[:length])
        rest = rest[length:].removeprefix("_")
    modules = [part for part in parts if part[:1].islower()]
    classes = [part for part in parts if not part[:1].islower()]
    return f"{'/'.join(modules)}.pyx:{'.'.join([*classes, rest])}" if modules and rest else None
