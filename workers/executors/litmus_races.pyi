from collections.abc import Sequence

from workers.executors.interleavings import Interleavings

OPERATIONS: dict[str, str]

def interleavings(
    programs: Sequence[Sequence[tuple[str | int, ...]]],
    search: str,
    *,
    most: int = ...,
    tick: str = ...,
    twice: bool = ...,
) -> Interleavings: ...
