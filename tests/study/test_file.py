"""The file of a study: what it stands for, the order of its runs, and what is said of one that is wrong."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.schemas import Arm
from server.store import laid_out
from server.study import StudyFileError, differing_parts, digest_of, read_study_file
from server.study.file import parse_study
from server.study.matrix import cells_of
from workers.spec import RunSpec

SMALL = """\
name = "small"
repeats = 2

[matrix]
protocol = ["has_cache", "swap_cache"]
hz = [100, 1000]

[spec]
seconds = 0.5
"""


def arms_in(text: str) -> list[Arm]:
    return parse_study(text, "f.toml", default_name="f")[1]


def test_the_documented_example_stands_for_what_is_said(checkout: Path, tmp_path: Path) -> None:
    """docs/study-format.md: 2 protocols x (2 scenarios x 2 CPUs x 2 ticks - 2 excluded + 1 included)."""
    page = (checkout / "docs" / "study-format.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "example.toml").write_text(text)
    plan, arms = read_study_file(tmp_path / "example.toml")
    cells = cells_of(arms)
    assert (plan.name, plan.repeats, len(cells), len(arms)) == ("contention", 8, 7, 14)
    assert all([arm.spec.protocol for arm in each] == ["has_cache", "swap_cache"] for each in cells.values())
    assert {arm.spec.seconds for arm in arms} == {1.0}
    assert not [arm for arm in arms if (arm.spec.scenario, arm.spec.hz) == ("usemem", 100)]
    assert sum(arm.spec.device.read_ns == 80_000 for arm in arms) == 2
    documented = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) | {"include", "exclude"}
    assert documented == set(type(plan).model_fields)


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("hz = [100, 1000]", "hz = [100, 999]"), 6, "matrix.hz: hz = 999: Input should be 100, 250, 300 or 1000"),
        (("has_cache", "has_cach"), 5, "there is no protocol 'has_cach'.*did you mean has_cache"),
        (("hz =", "hertz ="), 6, "'hertz' is no axis; axes are protocol, scenario"),
        (("hz = [100, 1000]", "hz = 100"), 6, r"an axis is a list of values, as hz = \[100\]"),
        (("hz = [100, 1000]", "seed = [1, 2]"), 6, "'seed' is no axis"),
        (("seconds = 0.5", "second = 0.5"), 9, "spec.second: 'second' cannot be set here"),
        (("seconds = 0.5", "seconds = -1"), 9, "seconds = -1: Input should be greater than 0"),
        (("repeats = 2", "repeat = 2"), 2, "there is no key 'repeat'.*did you mean 'repeats'"),
        (("repeats = 2", "repeats = 0"), 2, "repeats: Input should be greater than or equal to 1, got 0"),
        (("repeats = 2", 'baseline = "swap_table"'), 2, "no run has the protocol 'swap_table'"),
        (("seconds = 0.5", "[[exclude]]\nhz = 300"), 9, "exclude.1.: this 'exclude' matches no combination"),
        (("seconds = 0.5", "[[exclude]]\ncpus = 2"), 9, "leaves nothing of the matrix|"),
        (("[matrix]", "[matrix"), None, "not TOML: .*line 4"),
    ],
)
def test_a_fault_is_told_with_its_line(change: tuple[str, str], line: int | None, words: str) -> None:
    text = SMALL.replace(*change, 1)
    if "cpus = 2" in text:
        text = text.replace("[spec]\n", "[spec]\ncpus = 2\n")
    with pytest.raises(StudyFileError) as refused:
        arms_in(text)
    told = str(refused.value)
    assert re.search(words, told), told
    if line is not None and words[-1] != "|":
        assert told.startswith(f"f.toml:{line}: "), told


def test_too_many_combinations_are_refused_before_they_are_made() -> None:
    axes = "".join(f"{name} = {list(range(1, 101))}\n" for name in ("cpus", "folios", "slots", "pages", "mms"))
    with pytest.raises(StudyFileError, match="10000000000 combinations"):
        arms_in(f'[matrix]\nprotocol = ["swap_cache"]\n{axes}')


def test_names_tell_cells_apart_and_fit() -> None:
    names = [arm.name for arm in arms_in(SMALL)]
    assert names == ["has_cache:hz-100", "swap_cache:hz-100", "has_cache:hz-1000", "swap_cache:hz-1000"]
    mixes = ", ".join(f"{{ load = {each}, store = 1, pageout = 1, dontneed = 1, reclaim = 1 }}" for each in (1, 2))
    long = arms_in(f'[matrix]\nprotocol = ["swap_cache"]\nmix = [{mixes}]\n[spec]\nscenario = "mix"\n')
    assert [arm.name for arm in long] == ["swap_cache:cell-1", "swap_cache:cell-2"]


def test_spelling_is_no_change_and_the_matrix_is() -> None:
    plan, _ = parse_study(SMALL, "f", default_name="f")
    spelled, _ = parse_study(SMALL.replace("hz = [100, 1000]", "hz = [ 100,1_000 ]  # ticks"), "f", default_name="f")
    changed, _ = parse_study(
        SMALL.replace("1000]", "250]").replace("repeats = 2", "repeats = 3"), "f", default_name="f"
    )
    assert digest_of(plan) == digest_of(spelled) != digest_of(changed)
    assert differing_parts(plan.model_dump(), changed.model_dump()) == ["matrix.hz", "repeats"]


@given(cells=st.integers(1, 5), arms=st.integers(1, 4), repeats=st.integers(1, 9))
def test_every_arm_runs_once_with_each_seed_and_a_block_stays_together(cells: int, arms: int, repeats: int) -> None:
    spec = RunSpec(protocol="swap_cache")
    study = [Arm(name=f"a{arm}:c{cell}", cell=f"c{cell}", spec=spec) for cell in range(cells) for arm in range(arms)]
    laid = list(laid_out(study, repeats, 7))
    assert len({(arm.name, seed) for arm, _, _, seed in laid}) == len(laid) == cells * arms * repeats
    assert {seed for *_, seed in laid} == set(range(7, 7 + repeats))
    blocks = [block for _, block, _, _ in laid]
    assert sum(left != right for left, right in pairwise(blocks)) + 1 == len(set(blocks)) == cells * repeats
    for block in set(blocks):
        members = [(arm.cell, seed) for arm, at, _, seed in laid if at == block]
        assert len(set(members)) == 1
        assert len(members) == arms
