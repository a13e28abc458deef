"""Verdicts: every member of the closed set, every reason, and the error rates of the whole procedure."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from server.compare import DEFAULT_METRICS, RunFigures, compare_runs
from server.compare.holm import holm
from tests.compare.synthetic_runs import CONFIG, ENVIRONMENT, run

ONE = ("throughput_ops_s",)


def arm(throughputs: Any, **changes: Any) -> list[RunFigures]:
    return [run(i, throughput_ops_s=float(t), **changes) for i, t in enumerate(throughputs)]


def noisy(seed: int, n: int, *, spread: float = 0.02, factor: float = 1.0) -> np.ndarray:
    return 1e6 * factor * np.exp(np.random.default_rng(seed).normal(0, spread, n))


def test_a_clear_gain_is_improved_and_its_reverse_regressed() -> None:
    slow, fast = arm(noisy(1, 10)), arm(noisy(2, 10, factor=1.3))
    there = compare_runs(slow, fast, metrics=ONE).metrics["throughput_ops_s"]
    back = compare_runs(fast, slow, metrics=ONE).metrics["throughput_ops_s"]
    assert (there.verdict, back.verdict) == ("improved", "regressed")
    assert there.change == pytest.approx(0.3, abs=0.03)
    assert there.n == 10
    assert len(there.differences) == 10
    assert there.ci is not None
    assert there.ci[0] < 0.3 < there.ci[1]
    assert there.baseline == pytest.approx(1e6, rel=0.02)


def test_less_latency_is_improved() -> None:
    base = np.random.default_rng(3).gamma(3, 4000, 20_000)
    slow = [run(i, latencies_ns=base * (1 + i / 1000)) for i in range(8)]
    fast = [run(i, latencies_ns=base * 0.5 * (1 + i / 900)) for i in range(8)]
    metrics = compare_runs(slow, fast).metrics
    for name in ("p50_ns", "p99_ns", "p999_ns"):
        assert metrics[name].verdict == "improved", name
        assert metrics[name].change == pytest.approx(-0.5, abs=0.03)
    assert metrics["throughput_ops_s"].verdict == "equivalent"


def test_an_interval_inside_the_margin_is_equivalent_even_when_not_zero() -> None:
    before = noisy(4, 12, spread=0.05)
    after = before * 1.01 * np.exp(np.random.default_rng(5).normal(0, 0.001, 12))
    metric = compare_runs(arm(before), arm(after), metrics=ONE).metrics["throughput_ops_s"]
    assert metric.verdict == "equivalent"
    assert metric.p is not None
    assert metric.p < 0.05


def test_too_few_pairs_say_how_many_are_needed() -> None:
    metric = compare_runs(arm(noisy(1, 6)), arm(noisy(2, 6, factor=2))).metrics["throughput_ops_s"]
    assert metric.verdict == "inconclusive"
    assert metric.reason is not None
    assert "n too small: 6 pairs" in metric.reason
    assert "8 pairs can be enough" in metric.reason
    assert metric.change == pytest.approx(1.0, abs=0.1)


def test_eight_pairs_suffice_for_four_metrics() -> None:
    assert compare_runs(arm(noisy(1, 8)), arm(noisy(2, 8, factor=2))).metrics["throughput_ops_s"].verdict == "improved"


def test_a_run_with_too_few_observations_is_named() -> None:
    few = [run(i, latencies_ns=np.linspace(5_000, 9_000, 2_000)) for i in range(8)]
    comparison = compare_runs(few, [run(i) for i in range(8)])
    metric = comparison.metrics["p999_ns"]
    assert metric.verdict == "inconclusive"
    assert "run swap_cache-0 has 2.0 swap-ins beyond p999_ns" in str(metric.reason)
    assert comparison.metrics["p99_ns"].verdict != "inconclusive"
    assert comparison.baseline.p999_ns is None, "16000 observations hold 16 beyond p99.9, 100 are needed to show it"
    assert comparison.baseline.p99_ns is not None


def test_noise_is_inconclusive_with_a_reason() -> None:
    metric = compare_runs(arm(noisy(1, 10, spread=0.3)), arm(noisy(2, 10, spread=0.3)), metrics=ONE).metrics[ONE[0]]
    assert metric.verdict == "inconclusive"
    assert "interval holds both" in str(metric.reason)


def test_a_violated_law_makes_the_arm_invalid_and_nothing_comparable() -> None:
    broken = arm(noisy(2, 8, factor=3))
    broken[3] = broken[3].model_copy(update={"valid": False, "invalid_reason": "law C1 violated 4 times"})
    comparison = compare_runs(arm(noisy(1, 8)), broken)
    assert not comparison.comparable
    assert comparison.candidate.state == "invalid"
    assert {m.verdict for m in comparison.metrics.values()} == {"not_comparable"}
    assert "law C1 violated 4 times" in str(comparison.reason)
    assert "candidate" in str(comparison.reason)
    assert all(m.p is None for m in comparison.metrics.values())


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"config": {**CONFIG, "cpus": 8}}, "config.cpus"),
        ({"config": {**CONFIG, "device": {"kind": "zram", "read_ns": 9000}}}, "config.device.read_ns"),
        (
            {"environment": {**ENVIRONMENT, "build": {"flags": "-O0", "compiler": "gcc 12.2.0"}}},
            "environment.build.flags",
        ),
        ({"environment": {**ENVIRONMENT, "kernel": "6.2.0"}}, "environment.kernel"),
        ({"environment": {k: v for k, v in ENVIRONMENT.items() if k != "cpu_model"}}, "environment.cpu_model"),
    ],
)
def test_unlike_runs_are_refused_by_name(change: dict[str, Any], key: str) -> None:
    comparison = compare_runs(arm(noisy(1, 8)), arm(noisy(2, 8), **change))
    assert comparison.differing_keys == [key]
    assert key in str(comparison.reason)
    assert {m.verdict for m in comparison.metrics.values()} == {"not_comparable"}


def test_protocol_seed_and_volatile_environment_may_differ() -> None:
    other = arm(noisy(2, 8), protocol="has_cache", environment={**ENVIRONMENT, "load_1min": 0.4, "git_sha": "abc"})
    assert compare_runs(arm(noisy(1, 8)), other).comparable


def test_an_arm_of_two_protocols_is_none() -> None:
    mixed = arm(noisy(1, 4)) + [run(i, protocol="has_cache") for i in range(4, 8)]
    assert "mixes protocols: has_cache, swap_cache" in str(compare_runs(mixed, arm(noisy(2, 8))).reason)


def test_pairs_are_by_block_and_seed_whatever_the_order() -> None:
    level = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512.0])
    before, after = arm(1e3 * level), arm(1.5e3 * level)[::-1]
    metric = compare_runs(before, after, metrics=ONE).metrics[ONE[0]]
    assert metric.verdict == "improved"
    assert metric.ci == pytest.approx((0.5, 0.5))
    unpaired = compare_runs(before, [r.model_copy(update={"block": None}) for r in after], metrics=ONE)
    assert not unpaired.paired
    assert unpaired.metrics[ONE[0]].verdict == "inconclusive"
    assert "unpaired" in unpaired.notes[0]
    assert "Mann-Whitney" in unpaired.method


def test_a_run_without_partner_is_left_out_and_told() -> None:
    comparison = compare_runs(arm(noisy(1, 9)), arm(noisy(2, 8)))
    assert comparison.paired
    assert comparison.n == 8
    assert comparison.notes == ["1 run without a partner left out"]
    assert comparison.baseline.runs == 9


def test_unpaired_arms_of_different_size_are_compared() -> None:
    before = [run(i, block=None, throughput_ops_s=float(t)) for i, t in enumerate(noisy(1, 9))]
    after = [run(i, block=None, throughput_ops_s=float(t)) for i, t in enumerate(noisy(2, 7, factor=1.4))]
    metric = compare_runs(before, after).metrics["throughput_ops_s"]
    assert metric.verdict == "improved"
    assert metric.n == 7
    assert metric.change == pytest.approx(0.4, abs=0.05)


def test_a_rate_of_zero_gives_no_ratio() -> None:
    assert "no ratio" in str(compare_runs(arm([0] * 8), arm(noisy(1, 8)), metrics=ONE).metrics[ONE[0]].reason)


def test_tick_sleeps_and_waits_are_summed_per_arm() -> None:
    figures = compare_runs([run(i, tick_sleeps=i) for i in range(3)], [run(i) for i in range(3)]).baseline
    assert figures.tick_sleeps == 3
    assert figures.tick_sleeps_per_run == [0, 1, 2]
    assert figures.waits["device"].count == 30
    assert figures.waits["device"].per_operation_ns == pytest.approx(2.5)


@pytest.mark.parametrize("metrics", [(), ("p98_ns",), ("p50_ns", "p50_ns")])
def test_bad_metrics_are_refused(metrics: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="metric"):
        compare_runs([run(0)], [run(0)], metrics=metrics)


def test_an_empty_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="candidate arm has no runs"):
        compare_runs([run(0)], [])


def test_holm_steps_down_and_counts_what_has_no_p() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.01, "b": None}) == {"a": 0.02, "b": None}


def test_a_against_a_is_rarely_called_a_change() -> None:
    """300 A/A comparisons of four metrics: at most 5 % may call any metric changed (8.8 % is three errors above)."""
    rng, called, rounds = np.random.default_rng(17), 0, 300
    base = rng.gamma(3, 4000, 12_000)
    template = run(0, latencies_ns=base)
    hist = template.histograms["swap_in"]
    for _ in range(rounds):
        arms = []
        for _side in range(2):
            runs = []
            for i in range(10):
                factor = float(np.exp(rng.normal(0, 0.1)))
                scaled = hist.model_copy(
                    update={
                        "lower_ns": [int(x * factor) for x in hist.lower_ns],
                        "upper_ns": [int(x * factor) for x in hist.upper_ns],
                        "max_ns": int(hist.max_ns * factor) + 1,
                    }
                )
                runs.append(
                    template.model_copy(
                        update={
                            "block": i,
                            "metrics": {"throughput_ops_s": 1e6 * float(np.exp(rng.normal(0, 0.1)))},
                            "histograms": {"swap_in": scaled},
                        }
                    )
                )
            arms.append(runs)
        verdicts = {m.verdict for m in compare_runs(*arms).metrics.values()}
        called += bool(verdicts & {"improved", "regressed"})
    assert called / rounds < 0.088


def test_a_known_shift_is_found() -> None:
    """A gain of 10 % under 4 % noise a run, ten pairs: found in more than nine of ten comparisons."""
    found = 0
    for seed in range(60):
        before, after = noisy(seed, 10, spread=0.04), noisy(1000 + seed, 10, spread=0.04, factor=1.1)
        found += compare_runs(arm(before), arm(after)).metrics["throughput_ops_s"].verdict == "improved"
    assert found > 54


def test_numpy_and_scipy_are_not_loaded_by_the_import() -> None:
    code = "import sys, server.compare; assert not {'numpy', 'scipy'} & set(sys.modules), 'loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_default_metrics_are_those_of_the_document() -> None:
    assert DEFAULT_METRICS == ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns")


def test_pairs_may_be_measured_on_different_hosts_but_not_within_a_pair() -> None:
    """A study over several hosts: what is compared shares its host; a pair across two hosts is refused by name."""
    hosts = [{**ENVIRONMENT, "host": f"lab{index % 2}", "cpu_model": f"CPU {index % 2}"} for index in range(10)]
    sides = [
        [run(index, protocol=name, environment=hosts[index]) for index in range(10)]
        for name in ("has_cache", "swap_cache")
    ]
    compared = compare_runs(*sides)
    assert compared.comparable, compared.reason
    assert "pairs were measured on 2 hosts: lab0, lab1" in compared.notes
    crossed = [each.model_copy(update={"environment": hosts[(index + 1) % 10]}) for index, each in enumerate(sides[1])]
    refused = compare_runs(sides[0], crossed)
    assert not refused.comparable
    assert refused.differing_keys == ["environment.cpu_model", "environment.host"]
