"""The plots: what the picture of the project says, and that those who see colours otherwise can read it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.charts.bars import Group, draw_bars
from server.charts.latency import Curve, draw_ecdf, draw_percentiles
from server.charts.plain import Rows, draw_rows, number_text
from server.charts.ratios import Ratio, draw_forest, draw_pairs
from server.charts.svg import NARROW, STYLE, WIDE, Drawing, Form, Scale, decades, spread
from server.charts.words import ns_text, percentile_text

FORMS = (WIDE, NARROW)
TAILS = [10 ** (step / 20) for step in range(100)]


def shelf(name: str = "has_cache", sleeps: int | None = 900) -> Curve:
    """5 us, and from one in 600 on between one tick and two."""
    latencies = [5_000.0 if tail < 600 else 4.2e6 + 1e4 * (tail / 1e3) ** 0.3 for tail in TAILS]
    low, high = [0.9 * ns for ns in latencies], [1.1 * ns for ns in latencies]
    return Curve(name, TAILS, latencies, TAILS, low, high, [1_000.0, 5_000.0, 4e6, 8e6], [0.0, 0.5, 0.99, 1.0], sleeps)


def flat(name: str = "swap_cache", sleeps: int | None = 0) -> Curve:
    return Curve(
        name, TAILS, [6_000.0] * 100, TAILS, [5e3] * 100, [7e3] * 100, [1e3, 6e3, 1e5], [0.0, 0.5, 1.0], sleeps
    )


def texts(drawing: Drawing) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(drawing.inline()).iter("text")]


@pytest.mark.parametrize("form", FORMS)
def test_the_picture_names_curves_and_rulers_where_they_are(form: Form) -> None:
    said = texts(draw_percentiles([shelf(), flat()], 250, form))
    assert {"has_cache", "swap_cache", "1/HZ = 4 ms, one tick", "2/HZ = 8 ms"} <= set(said)
    assert {"50 %", "90 %", "99 %", "99.9 %", "99.99 %", "10 us", "1 ms"} <= set(said)


def test_the_picture_tells_the_shelf_and_who_has_none() -> None:
    said = texts(draw_percentiles([shelf(), flat()], 250, WIDE))
    assert [text for text in said if "takes a tick" in text] == ["1 in 631 of has_cache takes a tick or more"]
    assert "900 tick sleeps" in said
    assert "no tick sleep" in said


def test_an_arm_that_never_slept_is_not_blamed_for_the_noise_of_the_host() -> None:
    said = texts(draw_percentiles([shelf("swap_cache", sleeps=0), flat()], 250, WIDE))
    assert not [text for text in said if "takes a tick" in text]


@pytest.mark.parametrize("curves", [[], [Curve("nothing"), Curve("neither")], [flat(), Curve("nothing")]])
@pytest.mark.parametrize("hz", [None, 250, 1000])
def test_too_few_swap_ins_leave_an_empty_frame(curves: list[Curve], hz: int | None) -> None:
    for form in FORMS:
        for draw in (draw_percentiles, draw_ecdf):
            ElementTree.fromstring(draw(curves, hz, form).inline())


def all_drawings() -> list[Drawing]:
    metrics = [
        Ratio("p99", 0.07, (0.06, 0.08), [0.07, 0.06], ["0", "1"], "improved", "improved, -93 %"),
        Ratio("throughput", None, None, [], [], "not comparable", "not comparable"),
    ]
    rows = Rows("x", "y", {"a": [(1, 2.0), (10, 3.0)], "b & c": [(1, -2.0)]}, log_x=True)
    words = Rows("protocol", "runs", {"runs": [("has_cache <b>", 3.0), ("swap_cache", 0.0)]})
    found = []
    for form in FORMS:
        found += [draw_percentiles([shelf(), flat()], 250, form), draw_ecdf([shelf(), flat()], 250, form)]
        found += [draw_bars([Group("device", [9e3, None])], ["a", "b"], "Waits", form), draw_rows(words, form)]
        found += [draw_forest(metrics, 0.02, form), draw_pairs(metrics, 0.02, form), draw_rows(rows, form)]
    return found


@pytest.mark.parametrize("drawing", all_drawings(), ids=lambda drawing: f"{drawing.title[:24]}-{drawing.form.name}")
def test_a_drawing_is_well_formed_and_stays_within_its_paper(drawing: Drawing) -> None:
    root = ElementTree.fromstring(drawing.inline())
    assert root.get("aria-label")
    for element in root.iter():
        assert "style" not in element.attrib, "the CSP of the pages refuses it"
        for name in ("x", "x1", "x2", "cx"):
            assert -1 <= float(element.get(name, 0)) <= drawing.form.width + 1, ElementTree.tostring(element)
        for name in ("y", "y1", "y2", "cy"):
            assert -1 <= float(element.get(name, 0)) <= drawing.height + 1, ElementTree.tostring(element)
    assert ElementTree.fromstring(drawing.standalone(STYLE.read_text())).tag == "{http://www.w3.org/2000/svg}svg"


@given(st.lists(st.floats(0, 500), min_size=1, max_size=8))
def test_labels_keep_apart_and_in_order(places: list[float]) -> None:
    moved = spread(places, 18)
    order = sorted(range(len(places)), key=lambda i: places[i])
    gaps = [moved[b] - moved[a] for a, b in pairwise(order)]
    assert all(gap >= 0 for gap in gaps)
    if len(places) <= 3:
        assert all(gap > 17 for gap in gaps)


def test_scales_and_words() -> None:
    scale = Scale(1, 1000, 0, 300, log=True)
    assert [round(scale(value)) for value in (1, 10, 1000)] == [0, 100, 300]
    assert decades(0.5, 2_000) == [1, 10, 100, 1000]
    assert [ns_text(value) for value in (12, 4e6, 1.5e9)] == ["12 ns", "4 ms", "1.5 s"]
    assert [percentile_text(tail) for tail in (2, 10, 1e4)] == ["50 %", "90 %", "99.99 %"]
    assert [number_text(value) for value in (1500, 0.25, 2.5e9)] == ["1,500", "0.25", "2.5e+09"]


def colours(text: str) -> dict[str, tuple[float, ...]]:
    found = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", text))
    linear = {}
    for name, value in found.items():
        parts = [int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear[name] = tuple(p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return linear


# Linear RGB as protanopes, deuteranopes and tritanopes see it (Machado, Oliveira and Fernandes 2009, severity 1).
SEEN = {
    "protan": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deutan": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritan": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


@pytest.mark.parametrize("eye", SEEN)
def test_the_two_arms_differ_for_every_eye(eye: str, checkout: Path) -> None:
    sheet = (checkout / "server" / "static" / "swaprace.css").read_text()
    schemes = [colours(block) for block in re.findall(r":root[^{]*\{([^}]*--baseline[^}]*)\}", sheet)]
    assert len(schemes) == 4
    for scheme in [*schemes, colours(STYLE.read_text())]:
        seen = [
            [max(0.0, sum(m * c for m, c in zip(row, scheme[arm], strict=True))) ** (1 / 2.2) for row in SEEN[eye]]
            for arm in ("baseline", "candidate")
        ]
        distance = sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5
        assert distance > 0.25, (eye, scheme["baseline"], scheme["candidate"])
