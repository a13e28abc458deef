"""Protocols by name: what an executor makes its CPUs run."""
from workers.catalogue import PROTOCOLS
from workers.protocols.base cimport Protocol
from workers.protocols.has_cache cimport HasCache
from workers.protocols.swap_cache cimport SwapCache
from workers.protocols.unsynchronized cimport Unsynchronized


def protocol(name: str) -> Protocol:
    """A fresh protocol of that name. Error: ValueError names those there are."""
    classes = {"has_cache": HasCache, "swap_cache": SwapCache, "unsynchronized": Unsynchronized}
    if name not in classes:
        raise ValueError(f"protocol {name!r} is not known; there are: {', '.join(sorted(PROTOCOLS))}")
    return classes[name]()
