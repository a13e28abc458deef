"""The calibration: what it measures has the right size, and what it solves predicts the run that it was solved from."""

from __future__ import annotations

import pytest

from workers.simulation import calibration
from workers.simulation.cell import play
from workers.simulation_spec import SimulationSpec
from workers.spec import DeviceSpec

STEPS = calibration.Steps(
    interrupts_per_s=0.0,
    interrupt=0.0,
    atomic=2.0,
    lock_pair=4.0,
    transfer=40.0,
    contended=10.0,
    hand_over=60.0,
    sleep=400.0,
    waker=7_000.0,
    latency=14_000.0,
    tick_late=60_000.0,
)


def test_gaps_that_both_cores_have_part_nobody() -> None:
    assert calibration.alone([(0, 10), (20, 30)], [(5, 25)]) == [5.0, 5.0]
    assert calibration.alone([(0, 10)], []) == [10.0]
    assert calibration.alone([(0, 10)], [(0, 10)]) == [0.0]


def test_the_solved_model_gives_back_what_it_was_solved_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault costs 900 ns without a device and 11 us with one of 5 us; an access without a fault costs 60 ns."""
    real = {(256, 0): (60.0, 0.0), (4096, 0): (900.0, 1.95), (4096, 5_000): (900.0 + 1.95 * 5_100, 1.95)}

    def one_cpu(run: object) -> calibration.OneCpu:
        return calibration.OneCpu(*real[run.pages, run.device.read_ns])  # type: ignore[attr-defined]

    monkeypatch.setattr(calibration, "one_cpu", one_cpu)
    model = calibration.solved(STEPS, "synthetic")
    assert model.step.access_ns == pytest.approx(56.0)
    assert model.device.request_ns == pytest.approx(100.0)
    for device_ns, expected in ((0, 900.0), (5_000, 900.0 + 1.95 * 5_100)):
        spec = SimulationSpec(
            protocols=["swap_cache"],
            cpus=[1],
            scenario="usemem",
            pages=4096,
            limit_pages=512,
            device=DeviceSpec(read_ns=device_ns, write_ns=device_ns),
            virtual_ms=50.0,
            model=model,
        )
        cell = play(spec, "swap_cache", 1, lambda: False, lambda _at, _events: None)
        assert 1e9 / cell.operations_per_second == pytest.approx(expected, rel=0.15)


def test_two_processes_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes only: how fast this machine is, no test says."""
    for name, value in (("ROUNDS", 2_000), ("BOUNCES", 50), ("HAND_OVERS", 500), ("WAKE_UPS", 50), ("TICKS", 3)):
        monkeypatch.setattr(calibration, name, value)
    monkeypatch.setattr(calibration, "SLEEP_ROUNDS", 20)
    monkeypatch.setattr(calibration, "BATCHES", 1)
    monkeypatch.setattr(calibration, "WATCH_NS", 20_000_000)
    steps = calibration.measured_steps(1000)
    assert 0 < steps.atomic < steps.lock_pair + 50
    assert steps.transfer > 0
    assert steps.waker > 0
    assert steps.latency > 0
    assert steps.tick_late > 0
