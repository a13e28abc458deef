"""The file of a study: TOML in, a StudyPlan out, and errors that name the line and the key."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path

from pydantic import ValidationError

from server.schemas import Arm
from server.study.matrix import AXES, MatrixError, StudyPlan, arms_of

MAX_FILE_BYTES = 1_000_000
HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
KEY = re.compile(r"^\s*([A-Za-z0-9_.\-]+|\"[^\"]*\"|'[^']*')\s*=")
TOP_LEVEL = tuple(StudyPlan.model_fields)


class StudyFileError(ValueError):
    """What is wrong with a file: its name, the line and the key where it is told, and what would be right."""


def read_study_file(path: Path) -> tuple[StudyPlan, list[Arm]]:
    """The plan in a file, and its arms. Raises StudyFileError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise StudyFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes: is it a study?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StudyFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StudyFileError(f"{path}: not UTF-8 text, which TOML is: byte {error.start}") from error
    return parse_study(text, str(path), default_name=path.stem)


def parse_study(text: str, source: str, *, default_name: str) -> tuple[StudyPlan, list[Arm]]:
    """The plan in a text, and its arms; `source` is what errors call the text. Raises StudyFileError."""
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{source}: not TOML: {error}") from error
    try:
        plan = StudyPlan.model_validate({"name": default_name, **body}, strict=True)
        return plan, arms_of(plan)
    except ValidationError as error:
        lines = [_told(text, source, item["loc"], _sentence(item)) for item in error.errors(include_url=False)]
        raise StudyFileError("\n".join(lines)) from error
    except MatrixError as error:
        raise StudyFileError(_told(text, source, error.path, str(error))) from error


def _sentence(item: object) -> str:
    assert isinstance(item, dict)
    key = str(item["loc"][-1])
    if item["type"] == "extra_forbidden":
        guess = difflib.get_close_matches(key, TOP_LEVEL, n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        if key in AXES:
            hint = f"; {key!r} belongs into [matrix] or [spec]"
        return f"there is no key {key!r}; keys are {', '.join(TOP_LEVEL)}{hint}"
    if item["type"] == "missing":
        return f"{key!r} is missing"
    if item["type"] == "list_type":
        return f"an axis is a list of values, as {key} = [{item['input']!r}]"
    return f"{item['msg']}, got {item['input']!r}" if not isinstance(item["input"], dict | list) else str(item["msg"])


def _told(text: str, source: str, path: tuple[str | int, ...], sentence: str) -> str:
    line = line_of(text, path)
    key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    where = f"{source}:{line}" if line else source
    return f"{where}: {key}: {sentence}" if key else f"{where}: {sentence}"


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """Line, from 1, of the key of a path: of its longest beginning that stands in the text; None when nothing does."""
    lines = _lines(text)
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Path -> line of every header and key that starts a line. Lists and tables within a value count to its key."""
    found: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            name = header[2]
            table = tuple(name.split("."))
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                found.setdefault(table, number)
                table = (*table, counts[name])
            found.setdefault(table, number)
        elif key := KEY.match(line):
            found.setdefault((*table, *key[1].strip("\"'").split(".")), number)
    return found
