"""Protocols by name: what an executor makes its CPUs run."""
from importlib import import_module

from workers.catalogue import PROTOCOLS
from workers.exhibits import EXHIBITS
from workers.protocols.external import is_external, load
from workers.mm.protocol cimport Protocol
from workers.protocols.has_cache cimport HasCache
from workers.protocols.has_cache_waitqueue cimport HasCacheWaitqueue
from workers.protocols.skip_cache cimport SkipCache
from workers.protocols.swap_cache cimport SwapCache
from workers.protocols.swap_cache_as_posted cimport SwapCacheAsPosted
from workers.protocols.swap_table cimport SwapTable
from workers.protocols.swap_table_count cimport SwapTableCount
from workers.protocols.unsynchronized cimport Unsynchronized

CLASSES = (
    Unsynchronized, SkipCache, HasCache, HasCacheWaitqueue, SwapCacheAsPosted, SwapCache, SwapTable, SwapTableCount,
)

MUSEUM = {exhibit.variant for exhibit in EXHIBITS.values()} - set(PROTOCOLS)


def protocol(name: str) -> Protocol:
    """A fresh protocol of that name, also one of the museum, or of the class that `/PATH.pyx:Class` names.

    Error: ValueError says what there is.
    """
    if is_external(name):
        cls = load(name)
        if not issubclass(cls, Protocol):
            raise ValueError(f"{name}: the class does not derive from a protocol (workers/mm/protocol.pxd)")
        return cls()
    if name in PROTOCOLS:
        return {cls.__name__: cls for cls in CLASSES}[PROTOCOLS[name].cls]()
    if name in MUSEUM:
        module = import_module(f"workers.protocols.museum.{name}")
        return getattr(module, "".join(part.capitalize() for part in name.split("_")))()
    raise ValueError(f"protocol {name!r} is not known; there are: {', '.join(sorted(PROTOCOLS))}, and those of the museum")


def nearest(name: str) -> str:
    """The protocol of the catalogue that one derives from, itself where it is in there: whose laws it must keep."""
    if not is_external(name) and name not in MUSEUM:
        return name
    names = {entry.cls: entry.name for entry in PROTOCOLS.values()}
    for cls in type(protocol(name)).__mro__:
        if cls.__name__ in names and cls in CLASSES:
            return names[cls.__name__]
    raise ValueError(f"{name}: the class derives from none of {', '.join(sorted(PROTOCOLS))}, so no laws are known for it")
