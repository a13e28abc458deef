"""Where runs go: this machine, the workers of a Dask cluster, Slurm. An engine places; it neither measures nor records.

No HTTP here, no SQL, no statistics. docs/scale-out.md explains the contract; tests/placer/ holds every placer to it.
"""

from __future__ import annotations

from server.placer.base import Delivery, Placer, PlacerError, Stage, placer_named, places_of
from server.placer.local import LocalPlacer

__all__ = ["Delivery", "LocalPlacer", "Placer", "PlacerError", "Stage", "placer_named", "places_of"]
