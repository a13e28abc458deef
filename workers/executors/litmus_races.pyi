from collections.abc import Sequence

from workers.executors.interleavings import Interleavings

OPERATIONS: dict[str, str]
Operation = tuple[str | int, ...]

def interleavings(
    programs: Sequence[Sequence[Operation]],
    search: str,
    *,
    most: int = ...,
    tick: str = ...,
    twice: bool = ...,
) -> Interleavings: ...
