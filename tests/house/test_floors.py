"""Modules import from their own floor or lower ones. docs/architecture.md says what stands on which floor."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

OURS = ("shm", "workers", "server", "loadtests")
FLOOR = re.compile(r"^(\d+)\. (.*)$", re.MULTILINE)
LOADTESTS_MAY = re.compile(r"`loadtests`, which .*?, imports (.*?) too", re.DOTALL)
NAMES = re.compile(r"`([\w.]+)`")
SERVER_MAY = re.compile(r"`server` imports of the lower half only (.*?)\.\s", re.DOTALL)
COMPILED_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n#]+)|c?import[ \t]+([\w., \t]+))", re.MULTILINE
)


@pytest.fixture(scope="session")
def architecture(checkout: Path) -> str:
    return (checkout / "docs" / "architecture.md").read_text()


@pytest.fixture(scope="session")
def floors(architecture: str) -> dict[str, int]:
    """Module or package -> floor, as the numbered list of the document says."""
    listed = architecture.split("## ", 1)[0]
    return {name: int(number) for number, text in FLOOR.findall(listed) for name in NAMES.findall(text)}


def module_name(path: Path, checkout: Path) -> str:
    parts = path.relative_to(checkout).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str, checkout: Path) -> bool:
    base = checkout.joinpath(*name.split("."))
    return base.is_dir() or any(base.with_suffix(suffix).exists() for suffix in (".py", ".pyx", ".pxd"))


def named_imports(path: Path, package: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(module, imported names) of a file; a relative import is made absolute."""
    text = path.read_text()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text, str(path))):
            if isinstance(node, ast.Import):
                yield from ((alias.name, []) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                yield ".".join([*above, *filter(None, [node.module])]), [alias.name for alias in node.names]
        return
    for origin, names, plain in COMPILED_IMPORT.findall(text):
        if origin:
            dots = len(origin) - len(origin.lstrip("."))
            above = package[: len(package) - dots + 1] if dots else []
            imported = [name.split()[0] for name in names.strip("() \t").replace("\n", " ").split(",") if name.split()]
            yield ".".join([*above, *filter(None, [origin.lstrip(".")])]), imported
        else:
            yield from ((name.split()[0], []) for name in plain.split(",") if name.split())


def imports(path: Path, checkout: Path) -> set[str]:
    """The modules of ours that a file imports or cimports; `from package import module` counts as the module."""
    name = module_name(path, checkout).split(".")
    package = name if path.stem == "__init__" else name[:-1]
    found = set()
    for module, names in named_imports(path, package):
        if module.split(".")[0] not in OURS:
            continue
        inside = [f"{module}.{each}" for each in names if is_module(f"{module}.{each}", checkout)]
        found.update(inside or [module])
    return found


def floor_of(module: str, floors: dict[str, int]) -> int | None:
    """The floor of the longest listed prefix of a module's name."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in floors:
            return floors[".".join(parts[:length])]
    return None


def test_the_document_lists_the_floors(floors: dict[str, int]) -> None:
    assert floors["shm"] < floors["shm.layout"] < floors["workers.cpu"] < floors["workers.mm"]
    assert floors["workers.mm"] < floors["workers.protocols"] < floors["workers.operations"]
    assert floors["workers.operations"] < floors["workers.executors"] < floors["workers.run"] < floors["server"]


def test_every_module_has_a_floor(sources: list[Path], checkout: Path, floors: dict[str, int]) -> None:
    modules = {module_name(path, checkout) for path in sources}
    ours = {name for name in modules if name.split(".")[0] in OURS and name not in OURS}
    assert sorted(name for name in ours if floor_of(name, floors) is None) == []


def test_no_import_goes_up(sources: list[Path], checkout: Path, floors: dict[str, int]) -> None:
    upward = []
    for path in sources:
        name = module_name(path, checkout)
        own = floor_of(name, floors)
        if name.split(".")[0] not in OURS or own is None:
            continue
        for target in sorted(imports(path, checkout)):
            other = floor_of(target, floors)
            if other is not None and other > own:
                upward.append(f"{path.relative_to(checkout)} (floor {own}) imports {target} (floor {other})")
    assert upward == []


def test_the_service_imports_only_plain_modules(sources: list[Path], checkout: Path, architecture: str) -> None:
    match = SERVER_MAY.search(architecture)
    assert match, "docs/architecture.md no longer says what server may import"
    allowed = set(NAMES.findall(match[1]))
    assert "workers.spec" in allowed
    more = LOADTESTS_MAY.search(architecture)
    assert more, "docs/architecture.md no longer says what loadtests may import"
    of_package = {"server": allowed, "loadtests": allowed | set(NAMES.findall(more[1]))}
    foreign = []
    for path in sources:
        package = module_name(path, checkout).split(".")[0]
        if package not in of_package:
            continue
        for target in sorted(imports(path, checkout)):
            if target.split(".")[0] in ("shm", "workers") and target not in of_package[package]:
                foreign.append(f"{path.relative_to(checkout)} imports {target}")
    assert foreign == []


def test_imports_are_read_of_every_kind(tmp_path: Path) -> None:
    """The reader itself: what it overlooks, the floors do not guard."""
    for module in ("workers/mm/swapfile.pyx", "workers/cpu.pxd", "shm/lock.pxd", "workers/mm/page_io.pyx"):
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / module).touch()
    sample = tmp_path / "workers" / "mm" / "sample.pyx"
    sample.write_text(
        "from libc.stdint cimport uint32_t\n"
        "from workers.mm cimport (\n    swapfile,\n    page_io as io,\n)\n"
        "cimport workers.cpu, shm.lock  # both\n"
        "def f():\n    from server.store import claim\n"
    )
    assert imports(sample, tmp_path) == {
        "workers.mm.swapfile",
        "workers.mm.page_io",
        "workers.cpu",
        "shm.lock",
        "server.store",
    }
    plain = tmp_path / "workers" / "mm" / "plain.py"
    plain.write_text("from . import swapfile\nfrom ..cpu import Cpu\nimport shm.lock as l\n")
    assert imports(plain, tmp_path) == {"workers.mm.swapfile", "workers.cpu", "shm.lock"}
