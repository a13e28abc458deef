"""Rows as lines of CSV (RFC 4180), one at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any


def csv_row(values: Iterable[Any]) -> str:
    """One line. None is an empty field; an object or a list is JSON."""
    text = io.StringIO()
    cells = [json.dumps(value) if isinstance(value, dict | list) else value for value in values]
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
