"""`swaprace simulate` from its arguments to its table, its JSON and its page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from server.charts.scaling import Growth, draw_growth
from server.charts.svg import NARROW, WIDE, Form
from server.cli import main
from server.simulating.report import source_of
from workers.simulation_spec import CostModel, SimulationSpec, cost_model_toml


def swaprace(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments])


def test_a_table_with_the_model_below_it() -> None:
    done = swaprace("has_cache", "swap_cache", "--cpus", "1,8", "--virtual-ms", "20")
    assert done.exit_code == 0, done.output
    rows = [line.split()[:2] for line in done.stdout.splitlines()]
    for row in (["has_cache", "1"], ["swap_cache", "1"], ["has_cache", "8"], ["swap_cache", "8"]):
        assert row in rows
    assert "has_cache, 8 CPUs: waits: tick sleep" in done.stdout
    assert "cost model: server" in done.stdout
    assert "other_socket_ns 108" in done.stdout
    assert "cell 4 of 4" in done.stderr


def test_json_and_report(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    arguments = ["has_cache", "--cpus", "1,4", "--virtual-ms", "20", "--json", "--report", str(report)]
    done = swaprace(*arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["status"] == "completed"
    assert [cell["cpus"] for cell in told["cells"]] == [1, 4]
    assert told["model"]["name"] == "server"
    again = json.loads(swaprace(*arguments).stdout)
    assert [c["event_hash"] for c in again["cells"]] == [c["event_hash"] for c in told["cells"]]
    page = report.read_text()
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) >= 8
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert told["cells"][1]["event_hash"] in page
    assert "github.com/nviennot/core-to-core-latency" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_a_violated_law_is_exit_code_3() -> None:
    done = swaprace("unsynchronized", "--cpus", "8", "--virtual-ms", "20")
    assert done.exit_code == 3
    assert "unsynchronized, 8 CPUs: " in done.stdout


def test_another_cost_model(tmp_path: Path, model: CostModel) -> None:
    body = model.model_dump()
    body["name"] = "slow wires"
    body["line"]["same_socket_ns"] = 5_000.0
    path = tmp_path / "model.toml"
    path.write_text(cost_model_toml(CostModel.model_validate(body)))
    slow = json.loads(swaprace("swap_cache", "--cpus", "8", "--json", "--cost-model", str(path)).stdout)
    usual = json.loads(swaprace("swap_cache", "--cpus", "8", "--json").stdout)
    assert slow["model"]["name"] == "slow wires"
    assert slow["cells"][0]["operations_per_second"] < usual["cells"][0]["operations_per_second"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["swap_cash"], "did you mean swap_cache"),
        (["swap_cache", "--cpus", "1,x"], "is no list of numbers"),
        (["swap_cache", "--cpus", "2000"], "2000 is not from 1 to 1024"),
        (["swap_cache", "--cost-model", "/nowhere.toml"], "no cost model in /nowhere.toml"),
        (["swap_cache", "--mix", "{"], "not JSON"),
        ([], "Missing argument"),
    ],
)
def test_usage(arguments: list[str], error: str) -> None:
    done = swaprace(*arguments)
    assert done.exit_code == 2
    assert error in " ".join(done.stderr.split())


def test_output_belongs_to_costs() -> None:
    done = CliRunner().invoke(main, ["calibrate", "--output", "x.toml"])
    assert done.exit_code == 2
    assert "--output belongs to --costs" in done.stderr


@pytest.mark.parametrize("form", [WIDE, NARROW])
def test_growth_is_drawn(form: Form) -> None:
    lines = [
        Growth("a", [(1, 10.0), (8, 80.0), (1000, 9_000.0)], 0),
        Growth("b", [(1, None), (8, 0.0), (1000, 5.0)], 1),
    ]
    drawing = draw_growth(lines, "title", lambda value: f"{value:g}", form).inline()
    ElementTree.fromstring(drawing)
    assert "a 10 at 1 CPUs, 80 at 8 CPUs, 9000 at 1000 CPUs; b 5 at 1000 CPUs" in drawing
    one = draw_growth([Growth("a", [(1, 10.0)], 0)], "title", str, form).inline()
    ElementTree.fromstring(one)


def test_every_figure_of_the_default_model_has_a_source(model: CostModel) -> None:
    spec = SimulationSpec(protocols=["swap_cache"], cpus=[1], model=model)
    for table, figures in model.model_dump().items():
        if isinstance(figures, dict) and table != "sources":
            for name in figures:
                assert source_of(spec, table, name) != "not stated", f"{table}.{name}"


def test_every_table_of_the_model_is_documented(model: CostModel, pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "docs" / "cost-model.md").read_text()
    for table, figures in model.model_dump().items():
        if isinstance(figures, dict) and table != "sources":
            assert f"`{table}." in text, table
