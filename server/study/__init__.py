"""Studies over a matrix: protocols times scenarios, CPUs, ticks, devices and seeds. A file in, runs and verdicts out.

No SQL here and no HTTP; nothing here measures. docs/study-format.md documents the file.
"""

from __future__ import annotations

from server.study.file import StudyFileError, read_study_file
from server.study.matrix import MatrixError, StudyPlan, arms_of, differing_parts, digest_of

__all__ = [
    "MatrixError",
    "StudyFileError",
    "StudyPlan",
    "arms_of",
    "differing_parts",
    "digest_of",
    "read_study_file",
]
