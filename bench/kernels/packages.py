"""The kernels: which package of which distribution, its digest, and what is unpacked of it."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEBIAN = "https://deb.debian.org/debian/pool/main/l"
UBUNTU = "http://archive.ubuntu.com/ubuntu/pool/main/l"
# What swaps, after the compressor that it asks for by name.
MODULES = ("lzo_rle", "zram")


class PackageError(Exception):
    """A package that cannot be had, or is not the one that was meant."""


@dataclass(frozen=True)
class Package:
    """One Debian package: its address, and the SHA-256 of the file."""

    url: str
    sha256: str

    def fetched(self, folder: Path) -> Path:
        """The package's file in `folder`, fetched when it is not there. Raises PackageError."""
        path = folder / self.url.rsplit("/", 1)[1]
        if not path.exists():
            partial = path.with_suffix(".part")
            try:
                with urllib.request.urlopen(self.url, timeout=60) as answer, partial.open("wb") as file:
                    shutil.copyfileobj(answer, file)
            except OSError as error:
                partial.unlink(missing_ok=True)
                raise PackageError(
                    f"{self.url}: {error}; distributions drop old kernels: put the file of that name into {folder} "
                    "(Debian keeps all at snapshot.debian.org, Ubuntu at launchpad.net)"
                ) from error
            partial.rename(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != self.sha256:
            raise PackageError(f"{path}: SHA-256 is {digest}, expected {self.sha256}; remove the file and try again")
        return path


@dataclass(frozen=True)
class Kernel:
    """A kernel as distributed, and the protocol of ours that does as it does; "" where there is none."""

    version: str
    protocol: str
    packages: tuple[Package, ...]

    def unpacked(self, folder: Path) -> Path:
        """A folder with the kernel's files, below `folder`."""
        root = folder / self.version
        if not root.exists():
            partial = folder / f"{self.version}.part"
            shutil.rmtree(partial, ignore_errors=True)
            for package in self.packages:
                subprocess.run(["dpkg-deb", "-x", str(package.fetched(folder)), str(partial)], check=True)
            partial.rename(root)
        return root


def vmlinuz(root: Path) -> Path:
    """The kernel image of an unpacked kernel."""
    return next(path for path in root.rglob("vmlinuz*") if path.is_file())


def modules(root: Path) -> Iterator[tuple[str, bytes]]:
    """zram and what it depends on, in the order of loading: name and decompressed contents."""
    found = {path.name.split(".")[0].replace("-", "_"): path for path in root.glob("**/lib/modules/**/*.ko*")}

    def with_dependencies(name: str) -> Iterator[str]:
        depends = subprocess.run(
            ["modinfo", "-F", "depends", str(found[name])], check=True, capture_output=True, text=True
        ).stdout.strip()
        for other in filter(None, depends.split(",")):
            if other.replace("-", "_") in found:  # else it is built in
                yield from with_dependencies(other.replace("-", "_"))
        yield name

    wanted = [name for module in MODULES if module in found for name in with_dependencies(module)]
    for name in dict.fromkeys(wanted):
        yield name, decompressed(found[name])


def decompressed(path: Path) -> bytes:
    """The contents of a module, which distributions compress by xz or zstd."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True).stdout
    return path.read_bytes()


def debian(path: str, sha256: str) -> Package:
    return Package(f"{DEBIAN}/{path}_amd64.deb", sha256)


def ubuntu(path: str, sha256: str) -> Package:
    return Package(f"{UBUNTU}/{path}_amd64.deb", sha256)


KERNELS = {
    kernel.version: kernel
    for kernel in (
        Kernel(
            "6.1.176",
            "has_cache",
            (
                debian(
                    "linux-signed-amd64/linux-image-6.1.0-50-cloud-amd64_6.1.176-1",
                    "efe19f605b6f54a8352e68d85a629abb2d30b72a085faef603a9152590baa791",
                ),
            ),
        ),
        Kernel(
            "6.8.0-151",
            "has_cache",
            (
                ubuntu(
                    "linux/linux-image-unsigned-6.8.0-151-generic_6.8.0-151.151",
                    "f7383b6e775f29b1601f88b5acc10863fd8786c9534bf435628b61ce41ccba48",
                ),
                ubuntu(
                    "linux/linux-modules-6.8.0-151-generic_6.8.0-151.151",
                    "b1784b7a049c8b1841bcb464bb2b8d101a0c265bf2263059d815bef1f4aed91a",
                ),
                ubuntu(
                    "linux/linux-modules-extra-6.8.0-151-generic_6.8.0-151.151",
                    "9d240bb3e6e269c12b294aae1214be2ead0f0c578648c3eb7c0d8c87a6aa9544",
                ),
            ),
        ),
        Kernel(
            "6.12.95",
            "has_cache_waitqueue",
            (
                debian(
                    "linux-signed-amd64/linux-image-6.12.95+deb12-cloud-amd64_6.12.95-1~bpo12+1",
                    "69c92f43b23821de79576fa4d7c86e2924ae2c1b247a47cc5ed9339e220fbcb7",
                ),
            ),
        ),
        Kernel(
            "6.19.14",
            "has_cache_waitqueue",
            (
                debian(
                    "linux-signed-amd64/linux-binary-6.19.14+deb13-cloud-amd64_6.19.14-1~bpo13+1",
                    "2c7b515d7846cc4ff80943dde6c22e323214b54bfc3e73e02c470034d953193a",
                ),
                debian(
                    "linux/linux-modules-6.19.14+deb13-cloud-amd64_6.19.14-1~bpo13+1",
                    "cb0628ef28a9b1769e6e0fa2d65b8e234d968c70a1164ac0be35e86d34e39d1c",
                ),
            ),
        ),
        Kernel(
            "7.0.13",
            "swap_table",
            (
                debian(
                    "linux-signed-amd64/linux-binary-7.0.13+deb13-cloud-amd64_7.0.13-1~bpo13+1",
                    "7e2f91866f9d857e5b08fcd915491b4cff79fbe51cdcb081b42658612074a552",
                ),
                debian(
                    "linux/linux-modules-7.0.13+deb13-cloud-amd64_7.0.13-1~bpo13+1",
                    "cfa17c8f281ed3a001eb82c05cf23e01250872cc9b44f073fff1aa13d645e4c4",
                ),
            ),
        ),
        Kernel(
            "7.1.13",
            "swap_table_count",
            (
                debian(
                    "linux-signed-amd64/linux-binary-7.1.13+deb13-cloud-amd64_7.1.13-1~bpo13+1",
                    "2feb3588cd790e0fd7f4c425b8ede990b34f80f70703aeb3a6b3c21207e59785",
                ),
                debian(
                    "linux/linux-modules-7.1.13+deb13-cloud-amd64_7.1.13-1~bpo13+1",
                    "d48c4e3b8422d7ee67cf7b0eeb614f41f91d95385757c7e7155120ce698ca10a",
                ),
            ),
        ),
        Kernel(
            "7.2.12",
            "",
            (
                debian(
                    "linux-signed-amd64/linux-binary-7.2.12+deb13-cloud-amd64_7.2.12-1~bpo13+1",
                    "aa6720823145e351d3c817c95fe58d89995a2bcba4978ad2418c36a1c272f795",
                ),
                debian(
                    "linux/linux-modules-7.2.12+deb13-cloud-amd64_7.2.12-1~bpo13+1",
                    "2f15b42b88ae56836b5fb3ac74c6cb795047891a5a25e5e69dedf8805b54017d",
                ),
            ),
        ),
        Kernel(
            "7.3.4",
            "",
            (
                debian(
                    "linux-signed-amd64/linux-binary-7.3.4+deb13-cloud-amd64_7.3.4-1~bpo13+1",
                    "c4fbc8e404958693b28825474c20742d70594d65ca58aea7be6a279c81eb6fa0",
                ),
                debian(
                    "linux/linux-modules-7.3.4+deb13-cloud-amd64_7.3.4-1~bpo13+1",
                    "359f04c363b7d3c5f9ce999ccb7351e00cc8eec0a30d6bc1cda37734987fc43d",
                ),
            ),
        ),
    )
}
