"""A protocol in a file outside the tree: Python syntax, compiled by Cython on first use, kept in a cache.

`PATH.pyx:Class` names it, the path absolute. The compiled module is kept under a key made of the source, the
interpreter and the core that it was compiled against; so a file that changes, or a core that does, is compiled anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).resolve().parents[2]
COMPILE_SECONDS = 300  # one file: some 10 s on an idle machine


class ExternalProtocolError(ValueError):
    """A protocol file that cannot be used: which one, and why."""


def is_external(name: str) -> bool:
    """Whether a protocol's name is that of a class in a file."""
    return ".pyx:" in name


def split(name: str) -> tuple[Path, str]:
    """File and class of `PATH.pyx:Class`."""
    path, _, cls = name.rpartition(":")
    return Path(path), cls


def source_key(path: Path) -> str:
    """sha-256 of all that the compiled module depends on. ExternalProtocolError: the file cannot be read."""
    digest = hashlib.sha256(sys.version.encode())
    try:
        digest.update(path.read_bytes())
    except OSError as error:
        raise ExternalProtocolError(f"protocol file {path}: {error.strerror}") from error
    for folder in ("shm", "workers"):
        for header in sorted((CHECKOUT / folder).rglob("*.pxd")):
            digest.update(header.read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/swaprace/protocols`, below `~/.cache` where the variable is unset."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "swaprace" / "protocols"


def load(name: str) -> type:
    """The class that `PATH.pyx:Class` names, compiled first if it must be. ExternalProtocolError: why not."""
    path, cls = split(name)
    module = module_of(path)
    found = getattr(module, cls, None)
    if not isinstance(found, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise ExternalProtocolError(f"protocol file {path} has no class {cls}; it has: {', '.join(classes) or 'none'}")
    return found


def module_of(path: Path) -> ModuleType:
    """The compiled module of a protocol file; the same object each time."""
    key = source_key(path)
    name = f"swaprace_protocol_{key[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    library = compiled(path, key, name)
    loader = importlib.machinery.ExtensionFileLoader(name, str(library))
    spec = importlib.util.spec_from_file_location(name, library, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module
    return module


def compiled(path: Path, key: str, name: str) -> Path:
    """The shared library of a protocol file, made when it is not in the cache."""
    folder = cache_folder() / key
    library = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:  # two runs at once compile it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            source = folder / f"{name}.pyx"
            source.write_bytes(path.read_bytes())
            build(path, source, folder)
    if not library.exists():
        raise ExternalProtocolError(f"protocol file {path}: the compiler made no {library.name}")
    return library


def build(path: Path, source: Path, folder: Path) -> None:
    """Compile a copy of the file as the core is compiled. ExternalProtocolError with the compiler's own words."""
    environment = {**os.environ, "SWAPRACE_PROTOCOL": str(source)}
    try:
        done = subprocess.run(
            [sys.executable, "setup.py", "--quiet", "build_ext"],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ExternalProtocolError(f"protocol file {path}: not compiled within {COMPILE_SECONDS} s") from None
    if done.returncode != 0:
        told = (done.stderr + done.stdout).replace(str(source), str(path)).strip()
        raise ExternalProtocolError(f"protocol file {path} does not compile:\n{told}")
