"""What can be wrong with a segment. Plain exceptions: the service raises and catches them without the compiled core."""

from __future__ import annotations


class SegmentError(Exception):
    """A segment of shared memory cannot be made, opened or trusted: it says which, where, and what would be right."""


class GeometryError(SegmentError):
    """A geometry does not fit: in shared memory, or in itself.

    `asked_bytes` and `free_bytes` are set when shared memory is too small for it; nothing has been created then.
    """

    def __init__(self, message: str, *, asked_bytes: int | None = None, free_bytes: int | None = None) -> None:
        super().__init__(message)
        self.asked_bytes = asked_bytes
        self.free_bytes = free_bytes


class StaleSegment(SegmentError):
    """A segment whose run is over: its owner is gone, or has thrown it away. Its contents are evidence at most."""
