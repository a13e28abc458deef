"""An explorer is started, watched and ended; whatever it does, a row ends and no process is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.config import Settings
from server.exploring.child import CHECKOUT
from server.exploring.keeper import Keeper
from server.exploring.schemas import Exploration
from server.exploring.watch import ExplorationWatch
from server.processes import myself
from server.store import Store
from tests.explorations import actor
from tests.explorations.made import made_spec
from workers.exploration import ExplorationEvent

PATIENCE_SECONDS = 30.0
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
pytestmark = pytest.mark.usefixtures("acted")


def watched(store: Store, settings: Settings, seed: int, **how: object) -> Exploration:
    """An exploration that the actor plays, at its end."""
    begun = store.begin_exploration(made_spec(seed=seed, seconds=1), myself(), lease_seconds=5)
    return ExplorationWatch(store, settings, begun, **how).watch()  # type: ignore[arg-type]


def until_state(store: Store, exploration_id: int, *states: str) -> str:
    end = time.monotonic() + PATIENCE_SECONDS
    while (state := store.state_of_exploration(exploration_id)) not in states:
        assert time.monotonic() < end, f"it is {state} for {PATIENCE_SECONDS:g} s"
        time.sleep(0.02)
    return state


@pytest.mark.parametrize(
    ("seed", "state", "words"),
    [
        (actor.FINDS, "found", "as it should"),
        (actor.CLEAN, "clean", "as it should"),
        (actor.FAILS, "failed", "cannot be played"),
        (actor.DIES, "failed", "SIGSEGV without an outcome. Its log ends: something broke"),
        (actor.BABBLES, "failed", "no event"),
    ],
)
@SQLITE
def test_every_end_is_told(store: Store, settings: Settings, seed: int, state: str, words: str) -> None:
    events: list[ExplorationEvent] = []
    ended = watched(store, settings, seed, on_event=events.append)
    assert (ended.state, words in (ended.reason or "")) == (state, True), ended.reason
    assert events[0].schedules == 10


@SQLITE
def test_one_that_never_ends_is_killed_at_its_deadline(store: Store, settings: Settings) -> None:
    ended = watched(store, settings, actor.DEAF)
    assert (ended.state, ended.reason) == ("failed", "Killed: no outcome 2 s after the start.")


@SQLITE
def test_a_cancel_is_passed_on_and_a_deaf_one_is_killed(store: Store, settings: Settings) -> None:
    ended = watched(store, settings, actor.WAITS, is_stopping=lambda: True)
    assert (ended.state, "cancel" in (ended.reason or "")) == ("cancelled", True)
    patient = settings.model_copy(update={"deadline_margin_seconds": 30})
    ended = watched(store, patient, actor.DEAF, is_stopping=lambda: True)
    assert (ended.state, ended.reason) == ("cancelled", "Killed: it did not end within 1 s of the request.")


def test_a_keeper_plays_what_is_queued_and_cancels_what_it_is_told(store: Store, settings: Settings) -> None:
    orphan = store.begin_exploration(made_spec(), myself(), lease_seconds=-1)
    keeper = Keeper(store, settings)
    keeper.start()
    try:
        found = store.create_exploration(made_spec(seed=actor.FINDS))
        live = store.create_exploration(made_spec(seed=actor.WAITS, seconds=60))
        behind = store.create_exploration(made_spec(seed=actor.CLEAN))
        assert until_state(store, orphan.id, "lost")
        assert until_state(store, found.id, "found")
        assert until_state(store, live.id, "running")
        assert store.state_of_exploration(behind.id) == "queued", "one is played at a time"
        store.cancel_exploration(live.id)
        assert until_state(store, live.id, "cancelled")
        assert until_state(store, behind.id, "clean")
        last = store.create_exploration(made_spec(seed=actor.WAITS, seconds=60))
        assert until_state(store, last.id, "running")
    finally:
        assert keeper.stop()
    assert store.state_of_exploration(last.id) == "cancelled"


@SQLITE
def test_nothing_is_left_of_a_process_that_was_killed(store: Store, settings: Settings, tmp_path: Path) -> None:
    """SIGKILL: the kernel ends the explorer, and whoever looks next marks the row."""
    program = (
        "import sys\n"
        "from server.config import Settings\nfrom server.exploring import child\n"
        "from server.exploring.keeper import Keeper\n"
        "from server.store import Store\n"
        "child.EXPLORER = 'tests.explorations.actor'\n"
        "settings = Settings.model_validate_json(sys.argv[1])\n"
        "Keeper(Store(settings.database_url), settings).start()\n"
        "sys.stdin.read()\n"
    )
    live = store.create_exploration(made_spec(seed=actor.DEAF, seconds=60))
    command = [sys.executable, "-c", program, settings.model_dump_json()]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE) as process:
        until_state(store, live.id, "running")
        children = explorers_of(process.pid)
        process.kill()
    assert len(children) == 1
    pidfd_ends(children)
    assert store.bury_explorations() == [live.id]
    assert store.state_of_exploration(live.id) == "lost"


def explorers_of(parent: int) -> list[int]:
    """Pids of the actors below a process, once there are some."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = []
        for entry in os.listdir("/proc"):
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if int(fields[1]) == parent and b"tests.explorations.actor" in command and b"tied.py" not in command:
                found.append(int(entry))
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("no explorer was started")


def pidfd_ends(pids: list[int]) -> None:
    """Each of these processes ends by itself, within a moment."""
    end = time.monotonic() + PATIENCE_SECONDS
    while alive := [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and not zombie(pid)]:
        assert time.monotonic() < end, f"{alive} live on"
        time.sleep(0.02)


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@SQLITE
def test_the_command_finds_says_and_ends_with_3(database: str) -> None:
    command = ["explore", "swap_cache_as_posted", "--scenario", "memcg_exit", "--db", database]
    done = swaprace(*command, "--seed", str(actor.FINDS), "--json")
    assert done.returncode == 3, done.stderr
    body = json.loads(done.stdout)
    assert (body["found"], body["token"], body["schedules_per_second"]) == (True, "sr1-AAAA-made-up", 200_000.0)
    assert body["findings"][0]["token"] == body["token"]
    done = swaprace(*command, "--seed", str(actor.FINDS))
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert "swaprace replay sr1-AAAA-made-up" in lines, "the whole command stands on a line of its own"
    assert "shrink_folio_list()                  exit_mmap()" in lines
    assert "found by pct after 1,234 schedules in 50.0 ms; shrunk to 24 steps" in done.stdout
    done = swaprace(*command, "--seed", str(actor.CLEAN))
    assert done.returncode == 0
    assert "dpor: exhausted: 100,000 executions" in done.stdout
    done = swaprace(*command, "--seed", str(actor.DIES))
    assert (done.returncode, "something broke" in done.stderr) == (1, True)


@SQLITE
def test_ctrl_c_cancels_the_command(database: str, store: Store) -> None:
    command = [*COMMAND, "explore", "swap_cache", "--scenario", "memcg_exit", "--seed", str(actor.WAITS)]
    with subprocess.Popen([*command, "--db", database], cwd=CHECKOUT, stdout=subprocess.PIPE) as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while not store.list_explorations()[0] and time.monotonic() < end:
            time.sleep(0.02)
        explorers_of(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert store.list_explorations()[0][0].state == "cancelled"


COMMAND = [
    sys.executable,
    "-c",
    "from server.exploring import child; child.EXPLORER = 'tests.explorations.actor'\n"
    "from server.cli import doctor_checks; doctor_checks.missing_modules = lambda: []\n"
    "from server.cli import main; main()",
]


def swaprace(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of the command line, whose explorer is the actor."""
    return subprocess.run(
        [*COMMAND, *words], cwd=CHECKOUT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
