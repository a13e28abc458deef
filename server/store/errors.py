"""What the store refuses. The API turns each into one status, the CLI into one line."""

from __future__ import annotations


class StoreError(Exception):
    """Base of all refusals; the text is a sentence for whoever asked."""


class NotFoundError(StoreError):
    """No such row. 404."""

    def __init__(self, kind: str, key: int | str) -> None:
        super().__init__(f"there is no {kind} {key}")


class ConflictError(StoreError):
    """The state of the resource does not allow it. 409."""


class QueueFullError(StoreError):
    """As many runs wait as the service lets wait. 429."""


class IdempotencyError(StoreError):
    """The Idempotency-Key has been used with another body. 422."""
