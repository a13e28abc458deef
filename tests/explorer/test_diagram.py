"""Diagrams: two findings as a maintainer would draw them, and what holds of the diagram of any timeline."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from workers.diagram import json_of, markdown_of, text_of
from workers.diagram.names import KERNEL_NAMES, LEFT_OUT, OPERATIONS
from workers.diagram.rows import MOST_ROWS, draw
from workers.timeline import Timeline

STORED = Path(__file__).parent / "timelines"
MEMCG_EXIT = """\
CPU0 (reclaim)                       CPU1 (exit)
--------------                       -----------
shrink_folio_list()
  folio_alloc_swap()
    swap_alloc_entry()
      slot 0:1 allocated         CF
    swap_cache_add_folio()
      slot 0:1 null->folio 16    CF
  try_to_unmap()
    swap_dup_entry()
      slot 0:1 count 0->1       CFP
    pte -> slot 0:1              FP
  lock folio 16
  <preempted>
                                     zap_pte_range()
                                       free_swap_and_cache()
                                         slot 0:1 count 1->0          CP
                                         try_to_reclaim_swap()
                                           swap_cache_get_folio()
                                             finds folio 16
                                           trylock folio 16 fails
                                       pte -> none                     P
  __remove_mapping()
    folio 16 refs 2->0           CF
    slot 0:1 folio 16->shadow    CF
    slot 0:1 is free             CF
    memcg1_swapout()
      <breaks T5>                CF

T5 is broken: A cgroup id is recorded only on a slot that is not free
  and has none, and taken only off slots that share it.
  CPU 0 recorded an id wrongly: slot 0:1 (0x0, 0x1)
Locks held: C cluster, F folio, P page table.
62 steps of 2 CPUs in scenario memcg_exit of protocol
swap_cache_as_posted.
"""


def stored(name: str) -> Timeline:
    return Timeline.model_validate_json((STORED / f"{name}.json").read_text())


def made(steps: list[dict[str, Any]], **other: Any) -> Timeline:
    """A timeline of steps of which only the interesting fields are given."""
    base: dict[str, Any] = {"source": "replay", "protocol": "swap_cache", "scenario": "mix", "hz": 250}
    base |= {"cpus": ["cpu0", "cpu1", "cpu2"], "ending": "completed"}
    plain = {"cpu": 0, "kind": "atomic", "where": ["f.pyx:access_page"]}
    whole = [plain | {"at_ns": at} | step for at, step in enumerate(steps)]
    return Timeline.model_validate({**base, "steps": whole, **other})


def slot(count: int, word: str = "shadow", value: int = 1, **other: Any) -> dict[str, Any]:
    return {"slot": "0:3", "word": word, "value": value, "count": count, **other}


def folio(pfn: int, lock: str | None = None, **other: Any) -> dict[str, Any]:
    flags = ["locked"] if lock else ["uptodate"]
    return {"pfn": pfn, "flags": flags, "refcount": 1, "mapcount": 0, "locked_by": lock} | other


def lock_step(cpu: int, kind: str, name: str = "cluster lock 0", **other: Any) -> dict[str, Any]:
    return {"cpu": cpu, "kind": kind, "object": {"type": "cluster", "name": name, "lock": True}, **other}


def test_entry_26_is_drawn_as_a_maintainer_would() -> None:
    assert "\n".join(text_of(stored("memcg_exit"))) + "\n" == MEMCG_EXIT


def test_the_aba_of_entry_1_is_told_by_its_slot() -> None:
    lines = text_of(stored("fault_swap_out_again"))
    assert lines[0].split("  ")[0] == "CPU0 (fault)"
    assert lines[0].endswith("CPU1 (fault, pageout)")
    left, right = ([line[:36].rstrip() for line in lines], [line[36:].strip() for line in lines])
    assert [line for line in left if "<preempted>" in line] == ["  <preempted>"]
    at = left.index("  <preempted>")
    assert "pte -> folio 15" in " ".join(right[at:])
    assert right.index(next(line for line in right if "allocated         CF" in line)) > at, "the slot is had anew"
    assert any(line.startswith("pte -> folio 16") for line in (each.strip() for each in left[at:]))
    assert len(lines) <= MOST_ROWS + 10


@pytest.mark.parametrize("path", sorted(STORED.glob("*.json")), ids=lambda path: path.stem)
@pytest.mark.parametrize("width", [72, 60, 100])
def test_no_line_is_wider(path: Path, width: int) -> None:
    timeline = stored(path.stem)
    lines = text_of(timeline, width=width)
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_law_that_is_asked_for_comes_first() -> None:
    findings = [{"law": law, "sentence": f"What {law} says.", "detail": "entry 0x1 is wrong"} for law in ("Q1", "Q12")]
    timeline = made([{"slots": [slot(1)]}], slots=[slot(2)], findings=findings)
    assert "Q1 is broken: What Q1 says." in text_of(timeline)
    asked = text_of(timeline, "Q12")
    assert asked[asked.index("Q12 is broken: What Q12 says.") :][1:3] == [
        "  slot 0:1 is wrong",
        "Broken by the same steps: Q1.",
    ]
    assert "No law is broken; it ended as completed." in text_of(made([{"slots": [slot(1)]}], slots=[slot(2)]))


def test_three_cpus_stand_beside_each_other_and_five_below() -> None:
    steps = [{"cpu": cpu, "slots": [slot(cpu + 1)]} for cpu in range(3)]
    lines = text_of(made(steps, slots=[slot(0)]))
    assert lines[0] == "CPU0 (fault)            CPU1 (fault)            CPU2 (fault)"
    assert [line.strip() for line in lines[2:5]] == [f"slot 0:3 count {n}->{n + 1}" for n in range(3)]
    assert [len(line) - len(line.lstrip()) for line in lines[2:5]] == [0, 24, 48]
    steps = [{"cpu": cpu, "slots": [slot(cpu + 1)]} for cpu in range(5)]
    lines = text_of(made(steps, slots=[slot(0)], cpus=[f"cpu{cpu}" for cpu in range(5)]))
    assert lines[0] == "CPU0 (fault), CPU1 (fault), CPU2 (fault), CPU3 (fault), CPU4 (fault)"
    assert lines[2:4] == ["CPU0  slot 0:3 count 0->1", "CPU1  slot 0:3 count 1->2"]


def test_a_lock_is_drawn_where_another_cpu_waits_for_it() -> None:
    steps = [
        lock_step(0, "acquire"),
        {"cpu": 0, "slots": [slot(2)]},
        {"cpu": 1, "slots": [slot(3)]},
        {"cpu": 0, "slots": [slot(4)]},
        lock_step(0, "release"),
        lock_step(1, "acquire", waited=True),
        {"cpu": 1, "slots": [slot(5)]},
        lock_step(1, "release"),
    ]
    rows = [(row.cpu, row.text) for row in draw(made(steps, slots=[slot(1)])).rows]
    assert rows == [
        (0, "lock cluster 0"),
        (0, "slot 0:3 count 1->2"),
        (0, "<preempted>"),
        (1, "slot 0:3 count 2->3"),
        (1, "waits for cluster 0"),
        (0, "slot 0:3 count 3->4"),
        (0, "unlock cluster 0"),
        (1, "slot 0:3 count 4->5"),
    ]


def test_locks_that_nobody_meets_are_letters_only() -> None:
    steps = [lock_step(0, "acquire"), {"slots": [slot(2)]}, lock_step(0, "release"), {"cpu": 1, "slots": [slot(3)]}]
    drawn = draw(made(steps, slots=[slot(1)]))
    assert [row.text for row in drawn.rows] == ["slot 0:3 count 1->2", "slot 0:3 count 2->3"]
    assert [row.locks for row in drawn.rows] == [("cluster 0",), ()]


def test_every_cpu_that_takes_part_is_drawn() -> None:
    """One whose slots are not the finding's with its own, one that changes none with the locks that it shares."""
    other = {"slot": "0:9", "word": "null", "count": 5}
    steps = [
        lock_step(0, "acquire"),
        {"slots": [slot(2)]},
        lock_step(0, "release"),
        {"cpu": 1, "slots": [other]},
        lock_step(2, "acquire"),
        {"cpu": 2},
        lock_step(2, "release"),
    ]
    finding = {"law": "Q1", "sentence": "A law.", "detail": "entry 0x3 and entry 0x0"}
    timeline = made(steps, slots=[slot(1), {**other, "count": 4}], findings=[finding])
    assert [(row.cpu, row.text) for row in draw(timeline).rows] == [
        (0, "slot 0:3 count 1->2"),
        (1, "slot 0:9 count 4->5"),
        (2, "lock cluster 0"),
        (2, "unlock cluster 0"),
    ]
    assert "  slot 0:3 and entry 0x0" in text_of(timeline), "entry 0 is no slot"


def test_states_of_slots_folios_and_ptes_are_told_as_they_change() -> None:
    steps = [
        {"slots": [slot(1, has_cache=True)]},
        {"slots": [slot(1, "pfn", 7, has_cache=True)]},
        {"folios": [folio(7, "cpu0", refcount=2)]},
        {"ptes": [{"mm": 0, "page": 0, "kind": "present", "pfn": 7}]},
        {"slots": [slot(0, "pfn", 7, has_cache=True)]},
        {"slots": [slot(0, "null", 0, has_cache=False)]},
        {"slots": [slot(0, "null", 0, has_cache=False, memcg=4)]},
        {"folios": [folio(7, flags=[], refcount=0)]},
    ]
    pte = {"mm": 0, "page": 0, "kind": "swap", "slot": "0:3"}
    drawn = draw(made(steps, slots=[slot(1)], folios=[folio(7, flags=[], refcount=0)], ptes=[pte]))
    assert [row.text for row in drawn.rows] == [
        "slot 0:3 HAS_CACHE 0->1",
        "slot 0:3 shadow->folio 7",
        "folio 7 allocated",
        "pte -> folio 7",
        "slot 0:3 count 1->0",
        "slot 0:3 folio 7->null",
        "slot 0:3 is free",
        "slot 0:3 cgroup id 0->4",
        "folio 7 freed",
    ]


def test_a_long_interleaving_keeps_its_begin_and_its_end() -> None:
    steps = [{"cpu": at % 2, "slots": [slot(at + 1)]} for at in range(300)]
    rows = draw(made(steps, slots=[slot(0)])).rows
    assert len(rows) <= MOST_ROWS
    assert rows[0].text == "slot 0:3 count 0->1"
    assert rows[-1].text == "slot 0:3 count 299->300"
    assert sum(row.kind == "left_out" for row in rows) == 1


def test_a_cycle_is_drawn_once() -> None:
    finding = {"law": "L1", "sentence": "No cycle.", "detail": "the 2 steps from step 1 on repeat for ever"}
    steps: list[dict[str, Any]] = [{"slots": [slot(2)]}]
    steps += [{"cpu": 1, "slots": [slot(3 - at % 2)]} for at in range(20)]
    rows = [row.text for row in draw(made(steps, slots=[slot(1)], findings=[finding])).rows]
    assert rows == [
        "slot 0:3 count 1->2",
        "<from here again and again>",
        "slot 0:3 count 2->3",
        "slot 0:3 count 3->2",
    ]


def test_a_timeline_without_steps_is_drawn() -> None:
    assert text_of(made([]))[-1] == "0 steps of 3 CPUs in scenario mix of protocol swap_cache."


def test_markdown_has_the_block_the_laws_and_the_command() -> None:
    lines = markdown_of(stored("memcg_exit"), "T5", "sr1-abc")
    assert lines[0] == "### swap_cache_as_posted: T5 is broken"
    assert lines[2] == "```"
    assert lines.count("```") == 4
    assert any(line.startswith("| T5 | A cgroup id is recorded only") for line in lines)
    assert "swaprace replay sr1-abc" in lines


def test_json_has_the_rows_of_the_text() -> None:
    timeline = stored("memcg_exit")
    told = json.loads(json.dumps(json_of(timeline)))
    assert told["lines"] == text_of(timeline)
    assert [column["head"] for column in told["columns"]] == ["CPU0 (reclaim)", "CPU1 (exit)"]
    assert {"cpu", "depth", "kind", "text", "step", "locks"} == set(told["rows"][0])
    last = told["rows"][-1]
    assert (last["kind"], last["step"], last["locks"]) == ("broken", told["steps"], ["cluster 0", "folio 16"])
    assert told["laws"][0]["law"] == "T5"


def test_the_page_of_the_docs_shows_this_diagram(checkout: Path) -> None:
    text = (checkout / "docs" / "diagram.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks[0] == MEMCG_EXIT


def test_names_of_functions_are_those_of_the_core(checkout: Path) -> None:
    """A name that no function has any more would silently stay in a diagram."""
    found = set()
    for path in (checkout / "workers").rglob("*.p[yx][xd]"):
        found |= set(re.findall(r"\b(\w+)\([^()]*\b(?:Cpu cpu|self)\b", path.read_text()))
    assert sorted((set(OPERATIONS) | set(KERNEL_NAMES) | LEFT_OUT) - found) == []


def test_the_diagram_knows_no_core(checkout: Path) -> None:
    for path in (checkout / "workers" / "diagram").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("workers"):
                assert str(node.module).startswith(("workers.diagram", "workers.timeline"))
