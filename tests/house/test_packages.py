"""The packages are those of this checkout, and nothing under tests/ can shadow them."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGES = ("shm", "workers", "server", "loadtests")
# What an import is called, where that differs from the name of its distribution.
DISTRIBUTIONS = {"flask_cors": "flask-cors", "hdrh": "hdrhistogram", "yaml": "pyyaml"}


@pytest.mark.parametrize("name", ["shm", "workers", "server"])
def test_a_package_lies_in_this_checkout(name: str, checkout: Path) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == checkout.resolve() / name / "__init__.py"


def test_tests_shadow_no_package(checkout: Path) -> None:
    tests = checkout / "tests"
    assert sorted(tests.rglob("__init__.py")) == []
    assert [path for path in tests.rglob("*") if path.is_dir() and path.name in PACKAGES] == []


def test_no_loose_module_shadows_a_package(checkout: Path) -> None:
    assert [name for name in PACKAGES if (checkout / f"{name}.py").exists()] == []


def test_every_package_says_what_it_may_not_do(checkout: Path) -> None:
    inits = [path for name in ("shm", "workers", "server") for path in (checkout / name).rglob("__init__.py")]
    silent = [path for path in inits if not ast.get_docstring(ast.parse(path.read_text()))]
    assert [str(path.relative_to(checkout)) for path in silent] == []


def test_what_is_imported_is_declared(sources: list[Path], checkout: Path) -> None:
    """Every third-party import of the service and the workers stands in pyproject.toml."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    extras = ("load", "postgres", "cluster", "slurm")
    declared = [
        *project["dependencies"],
        *(name for extra in extras for name in project["optional-dependencies"][extra]),
    ]
    names = {re.split(r"[<>=\[ ;]", text)[0].lower().replace("-", "_") for text in declared}
    undeclared = set()
    for path in sources:
        if path.suffix != ".py" or path.relative_to(checkout).parts[0] not in (*PACKAGES, "migrations"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for top in {module.split(".")[0] for module in modules}:
                distribution = DISTRIBUTIONS.get(top, top).lower().replace("-", "_")
                if top not in sys.stdlib_module_names and top not in PACKAGES and distribution not in names:
                    undeclared.add(f"{path.relative_to(checkout)}: {top}")
    assert sorted(undeclared) == []
