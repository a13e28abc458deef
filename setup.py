"""Builds the compiled core: every .pyx under the compiled folders becomes an extension module beside its source.

    python setup.py build_ext --inplace

Generated C lies under build/, never beside the source. What did not change is not built again; a changed .pxd rebuilds
whoever cimports it. The environment chooses a variant, which is built into a folder of its own and never in place:

    SWAPRACE_SANITIZE=thread              ThreadSanitizer; lands in build/tsan
    SWAPRACE_DEFINES="NAME=1 OTHER"       C macros; lands in build/NAME=1-OTHER (or build/tsan-NAME=1-OTHER)
    SWAPRACE_FOLDERS="shm workers bench"  which folders are compiled (default: shm workers)
    SWAPRACE_PROTOCOL=FILE.pyx            that file alone, beside itself (workers/protocols/external.py)

Such a folder holds links to the Python sources too, so that PYTHONPATH=build/tsan runs the variant.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent
PYTHON_FOLDERS = ("shm", "workers", "server", "loadtests", "bench")
HINT = "performance hint:"

DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
}
# The core switches stacks with _longjmp, which fortified glibc takes for an overflow. Aliasing rules are off because
# nouns are read as words of several widths.
C_FLAGS = [
    "-O2",
    "-g0",
    "-fno-strict-aliasing",
    "-U_FORTIFY_SOURCE",
    "-Wno-unused-function",
    "-Wno-unreachable-code",
    "-Wno-sign-compare",
]
SANITIZERS = {"thread": "tsan"}


def compiled_folders() -> list[str]:
    """The folders whose .pyx files are compiled: SWAPRACE_FOLDERS or the two of the core."""
    return os.environ.get("SWAPRACE_FOLDERS", "shm workers").split()


def sanitizer() -> str | None:
    """The sanitizer asked for in SWAPRACE_SANITIZE, or None. Error: a name that is not supported."""
    name = os.environ.get("SWAPRACE_SANITIZE") or None
    if name is not None and name not in SANITIZERS:
        raise SystemExit(f"SWAPRACE_SANITIZE={name}: not supported; one of: {', '.join(SANITIZERS)}")
    return name


def macros() -> list[tuple[str, str | None]]:
    """SWAPRACE_DEFINES as (name, value) pairs. Error: a name that is no C identifier."""
    pairs: list[tuple[str, str | None]] = []
    for word in os.environ.get("SWAPRACE_DEFINES", "").split():
        name, equals, value = word.partition("=")
        if not name.isidentifier() or not name.isascii():
            raise SystemExit(f"SWAPRACE_DEFINES: {word!r} is not NAME or NAME=VALUE")
        pairs.append((name, value if equals else None))
    return pairs


def variant() -> str | None:
    """The folder name of the variant under build/, or None for the build in place."""
    sanitize = sanitizer()
    parts = [SANITIZERS[sanitize]] if sanitize else []
    parts += [name if value is None else f"{name}={value}" for name, value in sorted(macros())]
    return "-".join(parts).replace("/", "_") or None


def external_protocol() -> Path | None:
    """The one protocol file of SWAPRACE_PROTOCOL, or None."""
    name = os.environ.get("SWAPRACE_PROTOCOL")
    return Path(name).absolute() if name else None


def extensions() -> list[Extension]:
    """One extension for each .pyx file, in the order of their paths; SWAPRACE_PROTOCOL alone where it is set."""
    protocol = external_protocol()
    if protocol is not None:
        return [
            Extension(
                protocol.stem,
                [str(protocol)],
                include_dirs=[".", "workers/protocols"],
                extra_compile_args=list(C_FLAGS),
                extra_link_args=["-Wl,-s"],
            )
        ]
    sanitize = sanitizer()
    flags = C_FLAGS + ([f"-fsanitize={sanitize}", "-g1", "-O1"] if sanitize else [])
    found = []
    for folder in compiled_folders():
        headers = sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.h"))
        for path in sorted((ROOT / folder).rglob("*.pyx")):
            source = path.relative_to(ROOT)
            found.append(
                Extension(
                    ".".join(source.with_suffix("").parts),
                    [str(source)],
                    include_dirs=[".", str(source.parent)],
                    define_macros=macros(),
                    extra_compile_args=list(flags),
                    extra_link_args=[f"-fsanitize={sanitize}"] if sanitize else [],  # symbols name a step's place
                    depends=headers,
                )
            )
    return found


class CapturedErrors:
    """Copies what is written to file descriptor 2 inside the block, by children too, into `text`."""

    def __enter__(self) -> CapturedErrors:
        sys.stderr.flush()
        self._saved = os.dup(2)
        self._file = tempfile.TemporaryFile()
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, *_: object) -> None:
        sys.stderr.flush()
        os.dup2(self._saved, 2)
        os.close(self._saved)
        self._file.seek(0)
        self.text = self._file.read().decode(errors="replace")
        self._file.close()
        sys.stderr.write(self.text)


def translate(found: list[Extension], jobs: int, into: str = "build/c") -> None:
    """Turns .pyx into C under build/c and points the extensions there.

    A performance hint is an error: it says that compiled code takes the GIL to look for an exception, which costs 87 ns
    a call and serializes the CPUs.
    """
    from Cython.Build import cythonize
    from Cython.Compiler.Errors import CompileError as CythonError

    captured = CapturedErrors()
    try:
        with captured:
            done = cythonize(
                found,
                build_dir=into,
                include_path=["."],
                compiler_directives=DIRECTIVES,
                emit_linenums=True,
                nthreads=jobs if len(found) > 1 else 0,
                quiet=True,
                show_all_warnings=False,
            )
    except CythonError as error:
        raise SystemExit(f"Cython could not translate the core: {error}") from None
    lines = captured.text.splitlines()
    hinted = {line.split(HINT, 1)[1].strip().split(":", 1)[0] for line in lines if HINT in line}
    if hinted:
        for extension in done:
            if any(name.endswith(Path(extension.sources[0]).with_suffix("").name + ".pyx") for name in hinted):
                Path(extension.sources[0]).unlink(missing_ok=True)
        raise SystemExit("The performance hints above are errors: declare 'noexcept' (or 'except? -1 nogil').")
    translated = {extension.name: extension for extension in done}
    for extension in found:
        for field in ("sources", "depends", "include_dirs", "define_macros", "libraries", "extra_compile_args"):
            setattr(extension, field, getattr(translated[extension.name], field))


class BuildCore(build_ext):
    """build_ext that finds the .pyx files itself, works on all cores and keeps variants apart."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.parallel = len(os.sched_getaffinity(0))

    def finalize_options(self) -> None:
        os.chdir(ROOT)
        if sys.maxsize < 1 << 32 or os.uname().machine != "x86_64":
            raise SystemExit(f"The core is written for x86-64; this machine is {os.uname().machine}.")
        name = variant()
        protocol = external_protocol()
        if protocol is not None:
            self.inplace = False
            self.build_lib = str(protocol.parent)
            self.build_temp = str(protocol.parent / "objects")
        elif name is not None:
            self.inplace = False
            self.build_lib = f"build/{name}"
            self.build_temp = f"build/{name}-objects"
        self.distribution.ext_modules = extensions()
        super().finalize_options()

    def run(self) -> None:
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: record.levelno > logging.INFO or record.msg.startswith("building"))
        if external_protocol() is not None:
            self.build_core()
            return
        Path("build").mkdir(exist_ok=True)
        with open("build/lock", "w") as lock:  # two builds at once would read each other's half-written files
            fcntl.flock(lock, fcntl.LOCK_EX)
            stamp = Path("build") / f"stamp-{variant() or 'in-place'}"
            sources = source_fingerprint()  # of before: what is edited during the build is built the next time
            if stamp.exists() and stamp.read_text() == sources + self.module_fingerprint():
                return
            self.build_core()
            stamp.write_text(sources + self.module_fingerprint())

    def module_fingerprint(self) -> str:
        """Sizes and times of the built modules."""
        folder = Path() if self.inplace else Path(self.build_lib)
        return "\n".join(describe(folder / self.get_ext_filename(extension.name)) for extension in self.extensions)

    def build_core(self) -> None:
        protocol = external_protocol()
        into = "build/c" if protocol is None else str(protocol.parent / "c")
        translate(self.extensions, int(self.parallel or 1), into)
        name = variant() if protocol is None else None
        if name is not None:
            link_sources(Path("build") / name)
        try:
            super().run()
        except CompileError:
            raise SystemExit("The C compiler refused the core; its messages are above.") from None
        if name is not None:
            print(f"variant built: run it with PYTHONPATH={ROOT / 'build' / name}")

    def get_source_files(self) -> list[str]:
        return [source for extension in self.extensions for source in extension.sources]


def source_fingerprint() -> str:
    """Sizes and times of all that goes into a build: equal to the last one's when nothing changed."""
    patterns = ["*.pyx", "*.pxd", "*.h", *(["*.py"] if variant() else [])]
    paths = [path for folder in PYTHON_FOLDERS for pattern in patterns for path in sorted(Path(folder).rglob(pattern))]
    return "\n".join([sys.version, *compiled_folders(), *map(describe, [Path("setup.py"), *paths]), ""])


def describe(path: Path) -> str:
    """Path, size and time of a file; the path alone when there is none."""
    if not path.exists():
        return str(path)
    status = path.stat()
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def link_sources(target: Path) -> None:
    """Links every Python source into the variant's folder, and removes links whose source is gone."""
    for folder in PYTHON_FOLDERS:
        for stale in (path for path in (target / folder).rglob("*") if path.is_symlink() and not path.exists()):
            stale.unlink()
        for pattern in ("*.py", "*.pyx", "*.pxd", "*.swpt", "*.html", "*.css", "*.js"):
            for source in (ROOT / folder).rglob(pattern):
                link = target / source.relative_to(ROOT)
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.exists():
                    link.symlink_to(source)


def has_compiler() -> bool:
    """Whether a C compiler is on the path: without one distutils ends in a bare 'command failed'."""
    return any(shutil.which(name.split()[0]) for name in (os.environ.get("CC", "cc"), "gcc", "clang"))


if __name__ == "__main__":
    if "build_ext" in sys.argv and not has_compiler():
        raise SystemExit("no C compiler found: install gcc and libc6-dev (Debian: apt-get install build-essential)")
    # The placeholder makes setuptools run build_ext; BuildCore replaces it by what it finds.
    setup(ext_modules=[Extension("swaprace_core", [])], cmdclass={"build_ext": BuildCore})
