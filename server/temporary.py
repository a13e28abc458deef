"""A folder for a file that is made to be sent, gone when it is sent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path


class TemporaryFolder:
    """A private folder (mode 0700) of this process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="swaprace-"))

    def remove(self) -> None:
        """Remove it with all that is in it; harmless when it is gone."""
        shutil.rmtree(self.path, ignore_errors=True)
