from collections.abc import Mapping, Sequence

Step = tuple[str | int, ...]
Scripts = Mapping[int, Sequence[Step]]

OPERATIONS: dict[str, tuple[int, tuple[str, ...]]]

def parsed(
    step: Step, pages: int, mms: int, memcgs: int, inodes: int = 0, inode_pages: int = 0, devices: int = 1
) -> tuple[int, int, int, int, int]: ...

class Script:
    length: int
    def __init__(
        self,
        steps: Sequence[Step],
        pages: int,
        mms: int,
        memcgs: int,
        inodes: int = 0,
        inode_pages: int = 0,
        devices: int = 1,
    ) -> None: ...
    def reset(self) -> None: ...
    def results(self) -> list[int | None]: ...
