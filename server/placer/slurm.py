"""Runs as jobs of Slurm (extra `slurm`), each attended to by its job. submitit writes the batch files and asks sacct.

A job has its node to itself. Slurm chooses the node; the attempt takes its place when it begins there. A job that Slurm
would queue again is not: what it measured is gone, and the attempt with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from server.config import Settings
from server.placer.attend import attend, place_of_this_process
from server.placer.base import PLACED, Capacity, Delivery, PlacerError, Stage
from server.store import Claim, Store
from server.watch import deadline_seconds

try:
    import submitit
except ImportError as error:
    raise PlacerError(f"Slurm needs submitit ({error}): pip install 'swaprace[slurm]'") from error

SPARE_MINUTES = 10  # beyond the deadline of the run: to start Python, and to wait for CPUs and for the database
LOG_TAIL_BYTES = 1_000
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)  # scancel, submitit's local executor, the limit of time


@dataclass
class _Ending:
    """Why the job is to end: a signal, or that the engine's process that started it is gone."""

    parent: int = field(default_factory=os.getppid)
    asked: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> bool:
        return self.asked.is_set() or os.getppid() != self.parent

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """End: called by Python in the main thread."""
        self.asked.set()


def deliver(delivery: Delivery) -> bool:
    """What a job does: attend to an attempt."""
    ending = _Ending()
    for number in ENDING:
        signal.signal(number, ending.on_signal)
    settings = delivery.settings_there()
    store = Store(settings.database_url)
    try:
        return attend(
            store, settings, delivery.token, place=place_of_this_process(settings), stopping=ending, outlives=False
        )
    finally:
        store.close()


class SlurmPlacer:
    """Up to `jobs` attempts in Slurm's queue at a time. `cluster` is submitit's name of it; `local` needs no Slurm."""

    name = "slurm"

    def __init__(self, settings: Settings, *, jobs: int, cluster: str = "slurm") -> None:
        """Raises PlacerError where there is no such engine."""
        self._settings = settings
        self._most_jobs = jobs
        self._jobs: dict[str, submitit.Job[bool]] = {}
        folder = Path(f"{settings.journals_directory}.jobs")  # on Slurm: a file system that its nodes share
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what it holds may name the database's password
            self._executor = submitit.AutoExecutor(folder / "%j", cluster=cluster)
        except (OSError, RuntimeError, ValueError) as error:
            raise PlacerError(f"cannot use {cluster}: {error}; jobs are submitted from a host with sbatch") from error

    def capacity(self) -> Capacity:
        """As many places of Slurm's choice as jobs may still be submitted."""
        return Capacity([], [None] * (self._most_jobs - len(self._jobs)))

    def submit(self, claim: Claim) -> None:
        """Submit a job with a node to itself. Partition and account are those of SBATCH_PARTITION, SBATCH_ACCOUNT.

        A run that is compared with one that was begun is asked to the node of that.
        """
        slurm: dict[str, Any] = {"no_requeue": True}
        if claim.near is not None:
            slurm["nodelist"] = claim.near
        minutes = int(deadline_seconds(claim.spec, self._settings) // 60) + SPARE_MINUTES
        parameters: dict[str, Any] = {
            "name": f"swaprace-{claim.run_id}",
            "timeout_min": minutes,
            "cpus_per_task": claim.spec.cpus,
            "slurm_exclusive": True,
            "slurm_additional_parameters": slurm,
        }
        self._executor.update_parameters(**parameters)
        try:
            self._jobs[claim.token] = self._executor.submit(deliver, Delivery.of(claim, self._settings))
        except (OSError, RuntimeError, submitit.core.utils.FailedSubmissionError) as error:
            raise PlacerError(f"the job was not taken: {error}") from error

    def cancel(self, token: str) -> None:
        """Cancel the job, which ends its run; one that waits never begins."""
        job = self._jobs.get(token)
        if job is not None:
            with suppress(OSError):
                job.cancel(check=False)

    def poll(self, token: str) -> Stage:
        """What the engine says of the job. Its files go when it has ended."""
        job = self._jobs.get(token)
        if job is None:
            return Stage("ended", "placement_unknown", "There is no such job of ours.")
        if not job.done():
            return PLACED
        del self._jobs[token]
        sentence = f"Its job {job.job_id} ended ({job.state}) and left no outcome."
        with suppress(OSError):
            tail = job.paths.stderr.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
            sentence += f" Its log ends: {tail}" if tail else ""
        shutil.rmtree(job.paths.folder, ignore_errors=True)
        return Stage("ended", "engine_worker_died", sentence)

    def close(self) -> None:
        """Jobs go on without us."""
