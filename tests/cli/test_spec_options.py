"""From options to a spec: every field is reachable, defaults are the spec's own, bad input is told by its option."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from server.cli.spec_options import build_spec, options_of, spec_options
from workers.spec import DeviceSpec, RunSpec


def spec_of(*arguments: str) -> RunSpec:
    """The spec that a command with these options would run."""
    built: list[RunSpec] = []

    @click.command()
    @click.argument("protocol")
    @spec_options
    def probe(protocol: str, **given: Any) -> None:
        built.append(build_spec(protocol, given))

    CliRunner().invoke(probe, ["swap_cache", *arguments], standalone_mode=False, catch_exceptions=False)
    return built[0]


def test_without_options_the_spec_has_its_own_defaults() -> None:
    assert spec_of() == RunSpec(protocol="swap_cache")
    assert "seed" not in spec_of().model_fields_set, "a study gives the seeds"


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        (["--cpus", "4"], "cpus", 4),
        (["--seconds", "0.5"], "seconds", 0.5),
        (["--hz", "1000"], "hz", 1000),
        (["--device", "disk"], "device.kind", "disk"),
        (["--read-us", "2.5"], "device.read_ns", 2500),
        (["--priority", "3"], "device.priority", 3),
        (["--device", "disk", "--rotating"], "device.rotating", True),
        (["--device", "disk", "--discard", "--discard-us", "2.5"], "device.discard_ns", 2500),
        (["--more-devices", '[{"kind": "disk"}]'], "more_devices", (DeviceSpec(kind="disk"),)),
        (["--anon-orders", "2, 4"], "anon_orders", (2, 4)),
        (["--shmem-inodes", "3"], "shmem.inodes", 3),
        (["--shmem-pages", "64"], "shmem.pages", 64),
        (["--memcg-version", "1"], "memcg.version", 1),
        (["--memcg-children", "3"], "memcg.children", 3),
        (["--readahead-pages", "16"], "readahead_pages", 16),
        (["--lockdep"], "lockdep", True),
        (["--zswap-pages", "64"], "zswap.pool_pages", 64),
        (["--zswap-pages", "64", "--zswap-shrinker"], "zswap.shrinker", True),
        (["--zswap-store-us", "2.5"], "zswap.store_ns", 2500),
        (["--inject", "charge=1000,device_error=5"], "inject", {"charge": 1000, "device_error": 5}),
        (["--trace", "cc1"], "scenario", "trace"),
        (["--mix", '{"load": 3}'], "mix", {"load": 3}),
        (["--mix", '{"load": 3}'], "scenario", "mix"),
        (["--executor", "cooperative", "--schedule", "0a0b"], "cooperative.scheduler", "replay"),
        (["--schedules", "50"], "cooperative.schedules", 50),
    ],
)
def test_an_option_sets_its_field(arguments: list[str], path: str, value: Any) -> None:
    found: Any = spec_of(*arguments)
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_a_mix_and_devices_may_be_files_and_a_trace_a_path(tmp_path: Path) -> None:
    mix, devices, trace = tmp_path / "mix.json", tmp_path / "devices.json", tmp_path / "sort.swpt"
    mix.write_text(json.dumps({"load": 1, "reclaim": 2}))
    devices.write_text(json.dumps([{"kind": "disk"}]))
    assert spec_of("--more-devices", str(devices)).more_devices == (DeviceSpec(kind="disk"),)
    trace.touch()
    assert spec_of("--mix", str(mix)).mix == {"load": 1, "reclaim": 2}
    assert spec_of("--trace", str(trace)).trace == str(trace)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cpus", "0"], ["--cpus 0", "greater than or equal to 1"]),
        (["--read-us", "-1"], ["--read-us", "-1000"]),
        (["--mix", "{load}"], ["--mix {load}", "not JSON"]),
        (["--mix", "/nowhere.json"], ["--mix /nowhere.json", "neither JSON"]),
        (["--more-devices", "[{]"], ["--more-devices [{]", "not JSON", '[{"kind": "disk"']),
        (["--more-devices", "/nowhere.json"], ["--more-devices /nowhere.json", "neither JSON"]),
        (["--more-devices", '[{"kind": "tape"}]'], ["--more-devices", "'zram' or 'disk'"]),
        (["--anon-orders", "2,10"], ["--anon-orders 10", "less than or equal to 9"]),
        (["--anon-orders", "two"], ["--anon-orders two", "integer"]),
        (["--shmem-inodes", "65"], ["--shmem-inodes 65", "less than or equal to 64"]),
        (["--shmem-pages", "0"], ["--shmem-pages 0", "greater than or equal to 1"]),
        (["--inject", "charge"], ["--inject charge", "charge=1000"]),
        (["--inject", "charges=5"], ["--inject", "'charge'"]),
        (["--inject", "charge=1000001"], ["--inject 1000001", "less than or equal to 1000000"]),
        (["--scenario", "trace"], ["scenario trace needs 'trace'"]),
        (["--laws", "every_unlock"], ["needs executor=cooperative"]),
    ],
)
def test_bad_input_names_the_option_and_what_is_wrong(arguments: list[str], words: list[str]) -> None:
    with pytest.raises(click.UsageError) as raised:
        spec_of(*arguments)
    for word in words:
        assert word in raised.value.format_message()


def test_an_unknown_protocol_is_told_with_a_guess() -> None:
    with pytest.raises(click.UsageError, match="did you mean swap_cache"):
        build_spec("swapcache", {})


def test_the_options_of_a_spec_make_it_again() -> None:
    spec = spec_of("--inject", "charge=1000,device_slow=5", "--mix", '{"load": 3}', "--read-us", "2.5", "--hz", "1000")
    several = spec_of(
        "--anon-orders", "2,4", "--more-devices", '[{"kind": "disk", "priority": 3}]', "--shmem-inodes", "2"
    )
    for each in (spec, several):
        words = options_of(each)
        assert words is not None
        assert spec_of(*words) == each
    assert options_of(spec_of()) == []


def test_every_field_of_a_spec_can_be_set() -> None:
    """Protocol is the argument and seed an option of the command; the scheduler follows from --schedule.

    Clients drive the runs of a server alone, so that a driver is asked for over its API.
    """
    from server.cli.spec_options import _spec_options

    body = RunSpec(protocol="swap_cache").model_dump()
    fields = {
        name if inner == name else f"{name}.{inner}"
        for name, value in body.items()
        for inner in (value if isinstance(value, dict) and value else [name])
    }
    assert fields - {option.field for option in _spec_options()} == {
        "protocol",
        "seed",
        "driver",
        "cooperative.scheduler",
    }
