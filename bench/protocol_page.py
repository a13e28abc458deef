"""docs/protocols.md: tables and reading of a record of bench.protocols. Every figure in it comes out of the record."""

from __future__ import annotations

from collections import Counter
from typing import Any

from server.compare.wording import ns_text, rate_text
from workers.catalogue import PROTOCOLS

LABELS = {
    "throughput_ops_s": "throughput",
    "p50_ns": "p50",
    "p99_ns": "p99",
    "p999_ns": "p99.9",
}
TITLES = {
    "thread_fault": "Threads of one mm fault the same pages",
    "fork_fault": "Forked mms fault pages they share",
    "trace": "A compile, replayed",
}
MARKS = {"improved": "better", "regressed": "worse", "equivalent": "equal", "inconclusive": "open"}

Cell = dict[str, Any]
Record = dict[str, Any]

HEAD = """# The protocols compared

Every sound protocol under three workloads, with 250 and with 1000 ticks a second, on {cpus} CPUs: {trials}
trials of {seconds:g} s each, in interleaved blocks, so that a trial of one protocol and that of another that it
is compared with follow on each other. Made by

```
python -m bench.protocols --trials {trials} --seconds {seconds:g} --cpus {cpus}
```

which runs one study of the service ([study-format.md](study-format.md)), and this page of its comparisons
([comparison.md](comparison.md)). Measured on {machine}. Figures are medians of
trials; a change is that against
`{baseline}` with its interval of 95 %, and a verdict after Holm's correction over the {family} metrics that were
declared for a row, those that could not be tested among them: better, worse, equal (inside of 2 %), or open. A
quantile with fewer than 100 swap-ins beyond it is left out. Sleeps and waits are counted a million swap-ins.
"""

READING = """## How to read it

**The tick.** Under `has_cache` whoever loses the claim of a slot sleeps until the second tick from then, 1 to 2
ticks; a tick is 4 ms and 1 ms. With threads on the same pages it slept {sleeps_old_250} times in a million swap-ins
at 250 Hz and {sleeps_old_1000} times at 1000 Hz; its p99.9 was {p999_old_250} and {p999_old_1000}. A collision
costs a sleep whatever the device takes, so the shelf in the plots stands at the tick and not at the device: a
setting of the kernel is measured there.

**The wait queue.** `has_cache_waitqueue` wakes losers when a bypass ends, and only then; those that lose
against a readahead, or against reclaim, sleep the ticks out. It slept {sleeps_wq_250} times in a million at
250 Hz, with a p99.9 of {p999_wq_250}.

**The folio lock.** From `swap_cache` on the winner's folio stands in the swap cache before it is read, and a
loser sleeps on its lock until it is. `swap_cache` waited for a folio {waits_new_250} times in a million at
250 Hz, {wait_ns_new_250} each, and slept {sleeps_new_250} ticks; its p99.9 was {p999_new_250}, and
{p999_new_1000} at 1000 Hz. Nobody who swaps in waits for a tick there: what is left of its tail is the
device, reclaim, and a CPU that was taken away while it held a lock.

**Shared slots.** A slot with several owners may not be bypassed, so that up to 6.19 it goes through readahead
and a claim even on a synchronous device. Under `fork_fault` at 250 Hz `has_cache` slept {sleeps_old_fork} times
in a million swap-ins, `swap_cache` {sleeps_new_fork} times; throughput was {rate_old_fork} and {rate_new_fork}.
The p50 of `swap_cache` is much higher, {p50_new_fork} against {p50_old_fork} ({p50_change_fork}), likely because a
readahead brings several slots, so that most swap-ins of `has_cache` find their page in memory, while `swap_cache`
reads each page of a synchronous device by itself, shared or not.

**A compile.** Two processes replay the references of one: {sleeps_old_trace} sleeps in a million swap-ins
under `has_cache` at 250 Hz, {sleeps_new_trace} under `swap_cache`; throughput, here of references, was
{rate_old_trace} and {rate_new_trace}.

**The later versions.** `swap_table` and `swap_table_count` change where the state of a slot is kept, not who
waits for whom. Of their verdicts against `{baseline}` {later_verdicts}.

**What it does not say.** These are emulated protocols on emulated memory: what they take of CPU time is that of
the emulator. Ratios of protocols, sleeps, waits, and where the tail ends are theirs.
"""


def page(record: Record) -> str:
    """The whole page."""
    cells = {(cell["scenario"], cell["hz"]): cell for cell in record["cells"]}
    asked = record["asked"]
    words = record["circumstances"]
    machine = f"{words['cpu_model']}, Linux {words['kernel']}, load {words['load']:.1f} at the start"
    family = max(len(arm["changes"]) for cell in record["cells"] for arm in cell["arms"].values())
    head = HEAD.format(**asked, machine=machine, family=family)
    parts = [head, READING.format(baseline=asked["baseline"], **_words(cells, asked["baseline"]))]
    parts += [_section(cell, asked["baseline"]) for cell in record["cells"]]
    return "\n".join(parts)


def _words(cells: dict[tuple[str, int], Cell], baseline: str) -> dict[str, str]:
    """What the reading names, by its name there."""
    found = {}
    names = {"old": baseline, "wq": "has_cache_waitqueue", "new": "swap_cache"}
    for short, name in names.items():
        for hz in (250, 1000):
            arm = cells["thread_fault", hz]["arms"][name]
            found[f"sleeps_{short}_{hz}"] = per_million(arm["tick_sleeps"], arm)
            found[f"waits_{short}_{hz}"] = per_million(arm["folio_waits"], arm)
            waits = arm["folio_waits"]
            found[f"wait_ns_{short}_{hz}"] = ns_text(arm["folio_wait_ns"] / waits) if waits else "-"
            found[f"p999_{short}_{hz}"] = ns_text(arm["metrics"]["p999_ns"])
        for word, scenario in (("fork", "fork_fault"), ("trace", "trace")):
            arm = cells[scenario, 250]["arms"][name]
            found[f"sleeps_{short}_{word}"] = per_million(arm["tick_sleeps"], arm)
            found[f"rate_{short}_{word}"] = rate_text(arm["metrics"]["throughput_ops_s"])
            found[f"p50_{short}_{word}"] = ns_text(arm["metrics"]["p50_ns"])
    change = cells["fork_fault", 250]["arms"]["swap_cache"]["changes"]["p50_ns"]["change"]
    found["p50_change_fork"] = f"{100 * change:+.0f} %"
    counted: Counter[str] = Counter()
    for cell in cells.values():
        for name in ("swap_table", "swap_table_count"):
            tested = [each for each in cell["arms"][name]["changes"].values() if each["change"] is not None]
            counted.update(mark_of(each) for each in tested)
    told = ", ".join(f"{number} {mark}" for mark, number in counted.most_common())
    return {**found, "later_verdicts": f"{sum(counted.values())} were given: {told}"}


def mark_of(found: dict[str, Any]) -> str:
    """A verdict in a word."""
    return MARKS.get(found["verdict"], "not comparable")


def per_million(count: int, arm: dict[str, Any]) -> str:
    """Events a million swap-ins."""
    return f"{1e6 * count / arm['swap_ins']:,.0f}" if arm["swap_ins"] else "-"


def metric_text(name: str, arm: dict[str, Any]) -> str:
    """A figure, and its change against the baseline where there is one."""
    value = arm["metrics"][name]
    text = rate_text(value) if name == "throughput_ops_s" else ns_text(value)
    found = arm["changes"].get(name)
    if found is None or found["change"] is None:
        return text if value is not None else "-"
    interval = "" if found["ci"] is None else f" [{100 * found['ci'][0]:+.0f}, {100 * found['ci'][1]:+.0f}]"
    return f"{text}<br>{100 * found['change']:+.0f} %{interval}, {mark_of(found)}"


def _section(cell: Cell, baseline: str) -> str:
    """A cell: its table and its plot."""
    columns = ["protocol", "kernel", *LABELS.values(), "tick sleeps", "folio waits"]
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    for name, arm in cell["arms"].items():
        figures = [metric_text(metric, arm) for metric in LABELS]
        counts = [per_million(arm["tick_sleeps"], arm), per_million(arm["folio_waits"], arm)]
        state = "" if arm["state"] == "valid" else " (invalid)"
        lines.append("| " + " | ".join([f"`{name}`{state}", PROTOCOLS[name].kernel, *figures, *counts]) + " |")
    title = f"{TITLES[cell['scenario']]}, {cell['hz']} Hz"
    plot = f"![Latency of swap-ins by percentile, {title}, a curve a protocol]({cell['plot']})"
    return f"## {title}\n\n" + "\n".join(lines) + f"\n\n{plot}\n"
