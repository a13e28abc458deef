"""`python -m workers.simulation` and `python -m workers.simulation.calibration` as children of this thread."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

from pydantic import ValidationError

from server.exploring.child import ExplorerError, start_tied, tail_of
from workers.simulation_spec import CostModel, SimulationEvent, SimulationSpec

SIMULATION = "workers.simulation"
CALIBRATION = "workers.simulation.calibration"
CALIBRATION_SECONDS = 300.0


class SimulationError(RuntimeError):
    """The child could not be started, died, or wrote what is no event."""


@contextmanager
def simulation(spec: SimulationSpec) -> Iterator[Iterator[SimulationEvent]]:
    """The events of a simulation, the outcome last. Leaving the block early ends it by SIGTERM.

    Raises SimulationError.
    """
    with TemporaryFile() as log:
        process = _started(SIMULATION, log.fileno())
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(spec.model_dump_json().encode() + b"\n")
            yield _events(process, log.fileno())
        except BrokenPipeError as error:
            raise SimulationError(f"the simulation ended at once: {tail_of(log.fileno())}") from error
        finally:
            process.terminate()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdin.close()
            process.stdout.close()


def _started(module: str, log: int) -> subprocess.Popen[bytes]:
    try:
        return start_tied(module, log=log)
    except ExplorerError as error:
        raise SimulationError(str(error)) from error


def _events(process: subprocess.Popen[bytes], log: int) -> Iterator[SimulationEvent]:
    assert process.stdout is not None
    told = False
    rest = b""
    while data := process.stdout.read(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            try:
                event = SimulationEvent.model_validate_json(line)
            except ValidationError as error:
                raise SimulationError(f"the simulation wrote what is no event: {line[:200]!r}") from error
            told = told or event.event == "outcome"
            yield event
    if not told:
        raise SimulationError(f"the simulation ended without an outcome: {tail_of(log)}")


def calibrated() -> CostModel:
    """The cost model of this machine, measured now. Raises SimulationError."""
    with TemporaryFile() as log:
        process = _started(CALIBRATION, log.fileno())
        try:
            out, _ = process.communicate(timeout=CALIBRATION_SECONDS)
            return CostModel.model_validate_json(out)
        except subprocess.TimeoutExpired as error:
            raise SimulationError(f"the calibration takes longer than {CALIBRATION_SECONDS:g} s") from error
        except ValidationError as error:
            raise SimulationError(f"the calibration ended without a model: {tail_of(log.fileno())}") from error
        finally:
            process.kill()
            process.wait()
