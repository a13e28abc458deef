"""The options that make a RunSpec: one table from which click's options, their help and the spec are made."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import BaseModel, ValidationError

from workers.catalogue import PROTOCOLS, SCENARIOS
from workers.spec import RunSpec


@dataclass(frozen=True)
class SpecOption:
    """One option: its flag, the dotted field of RunSpec it sets, its type, its help. `scale` multiplies the value."""

    flag: str
    field: str
    kind: Any
    help: str
    scale: int = 1
    is_flag: bool = False

    @property
    def parameter(self) -> str:
        """The name under which click passes the value."""
        return "spec_" + self.flag.removeprefix("--").replace("-", "_")


def _choices(model: type[BaseModel], field: str) -> click.Choice[str]:
    annotation = model.model_fields[field].annotation
    for part in get_args(annotation):
        if get_args(part):  # a Literal that may be left out: Literal[...] | None
            annotation = part
    return click.Choice([str(value) for value in get_args(annotation)])


def _spec_options() -> list[SpecOption]:
    device: Any = RunSpec.model_fields["device"].annotation
    memcg: Any = RunSpec.model_fields["memcg"].annotation
    return [
        SpecOption("--scenario", "scenario", click.Choice(list(SCENARIOS)), "Workload."),
        SpecOption("--trace", "trace", str, "Recorded trace, by name or file; implies --scenario trace."),
        SpecOption("--mix", "mix", str, "Weights as JSON, or a file of it; implies --scenario mix."),
        SpecOption("--executor", "executor", _choices(RunSpec, "executor"), "Real processes, or one thread."),
        SpecOption("--cpus", "cpus", int, "Emulated CPUs: worker processes."),
        SpecOption("--seconds", "seconds", float, "Measured time of a run."),
        SpecOption("--hz", "hz", _choices(RunSpec, "hz"), "Ticks a second; a loser of has_cache sleeps one."),
        SpecOption("--device", "device.kind", _choices(device, "kind"), "Swap device."),
        SpecOption("--read-us", "device.read_ns", float, "Time of a device read in us.", 1000),
        SpecOption("--write-us", "device.write_ns", float, "Time of a device write in us.", 1000),
        SpecOption("--queue-depth", "device.queue_depth", int, "Requests a disk serves at once."),
        SpecOption("--priority", "device.priority", int, "Of the device among several; -1 for after all others."),
        SpecOption("--rotating", "device.rotating", None, "The disk rotates.", is_flag=True),
        SpecOption("--discard", "device.discard", None, "Empty clusters of the disk are discarded.", is_flag=True),
        SpecOption("--discard-us", "device.discard_ns", float, "Time of the discard of a cluster in us.", 1000),
        SpecOption("--more-devices", "more_devices", str, "Further devices as JSON, or a file of it."),
        SpecOption("--memcg-version", "memcg.version", _choices(memcg, "version"), "Memory cgroup version."),
        SpecOption("--memcg-limit-pages", "memcg.limit_pages", int, "Memory limit in pages."),
        SpecOption("--swap-limit-pages", "memcg.swap_limit_pages", int, "Swap limit in pages."),
        SpecOption("--memcg-children", "memcg.children", int, "Memcgs below the limited one, for mms in turn."),
        SpecOption("--shmem-inodes", "shmem.inodes", int, "Files of tmpfs, for the shmem operations of a mix."),
        SpecOption("--shmem-pages", "shmem.pages", int, "Pages of one file of tmpfs."),
        SpecOption("--shmem-orders", "shmem.orders", str, "Orders of large folios of files, as 2,4."),
        SpecOption("--zswap-pages", "zswap.pool_pages", int, "Pages that zswap may keep; 0 for no zswap."),
        SpecOption("--zswap-accept-percent", "zswap.accept_percent", int, "Of a full pool, to take pages again."),
        SpecOption("--zswap-shrinker", "zswap.shrinker", None, "Direct reclaim writes entries back.", is_flag=True),
        SpecOption("--zswap-no-writeback", "zswap.no_writeback", None, "No page goes to the device.", is_flag=True),
        SpecOption("--zswap-store-us", "zswap.store_ns", float, "Time of compressing a page in us.", 1000),
        SpecOption("--zswap-load-us", "zswap.load_ns", float, "Time of decompressing a page in us.", 1000),
        SpecOption("--access", "access", _choices(RunSpec, "access"), "Order of accesses."),
        SpecOption("--store-percent", "store_percent", int, "Share of stores among accesses."),
        SpecOption("--readahead-pages", "readahead_pages", _choices(RunSpec, "readahead_pages"), "Pages a readahead."),
        SpecOption("--anon-orders", "anon_orders", str, "Orders of large anonymous folios, as 2,4."),
        SpecOption("--folios", "folios", int, "Pages of memory; default by scenario."),
        SpecOption("--slots", "slots", int, "Swap slots; default by scenario."),
        SpecOption("--pages", "pages", int, "Pages of one address space; default by scenario."),
        SpecOption("--mms", "mms", int, "Address spaces; default by scenario."),
        SpecOption("--swapoff-every-ms", "swapoff_every_ms", int, "swapoff and swapon again in this period."),
        SpecOption("--inject", "inject", str, "Failures per million, as charge=1000,device_error=5."),
        SpecOption("--payload-bytes", "payload_bytes", int, "Bytes of a page's content, 64 to 4096."),
        SpecOption("--cluster-slots", "cluster_slots", _choices(RunSpec, "cluster_slots"), "Slots of a cluster."),
        SpecOption("--lock", "lock", _choices(RunSpec, "lock"), "Lock word with a semaphore, or a plain semaphore."),
        SpecOption("--laws", "laws", _choices(RunSpec, "laws"), "When laws are checked."),
        SpecOption("--lockdep", "lockdep", None, "Report illegal lock order and sleeps under spinlocks.", is_flag=True),
        SpecOption("--timeline", "timeline", None, "Keep the end of the trace rings, for /timeline.", is_flag=True),
        SpecOption("--schedules", "cooperative.schedules", int, "Schedules of the cooperative executor."),
        SpecOption("--operations-per-cpu", "cooperative.operations_per_cpu", int, "Operations a CPU in a schedule."),
        SpecOption(
            "--schedule", "cooperative.schedule", str, "Replay this schedule (hex) with the cooperative executor."
        ),
    ]


def _default_of(option: SpecOption) -> Any:
    value: Any = RunSpec.model_validate({"protocol": "swap_cache"})
    for part in option.field.split("."):
        value = getattr(value, part)
    return value / option.scale if option.scale != 1 else value


def spec_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds every option of a RunSpec but its protocol and its seed."""
    for option in reversed(_spec_options()):
        default = _default_of(option)
        text = option.help if default is None or option.is_flag else f"{option.help}  [default: {_plain(default)}]"
        if option.is_flag:
            command = click.option(option.flag, option.parameter, is_flag=True, default=None, help=text)(command)
        else:
            command = click.option(option.flag, option.parameter, type=option.kind, default=None, help=text)(command)
    return command


def _plain(value: Any) -> str:
    if isinstance(value, (dict, tuple)):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def build_spec(protocol: str, given: dict[str, Any], *, seed: int | None = None) -> RunSpec:
    """The spec of `protocol` from click's values (None: not given). Raises click.UsageError that names the option."""
    body: dict[str, Any] = {"protocol": checked_protocol(protocol)}
    if seed is not None:
        body["seed"] = seed
    options = {option.field: option for option in _spec_options()}
    for option in options.values():
        value = given.get(option.parameter)
        if value is not None:
            _put(body, option, value)
    if "scenario" not in body:
        body.update([("scenario", name) for name in ("trace", "mix") if name in body])
    if "schedule" in body.get("cooperative", {}):
        body["cooperative"]["scheduler"] = "replay"
    try:
        return RunSpec.model_validate(body)
    except ValidationError as error:
        raise click.UsageError(_explain(error, options)) from error


def _put(body: dict[str, Any], option: SpecOption, value: Any) -> None:
    *parents, last = option.field.split(".")
    for parent in parents:
        body = body.setdefault(parent, {})
    if option.field == "mix":
        value = mix_of(value)
    elif option.field == "more_devices":
        value = _devices_of(value)
    elif option.field == "inject":
        value = _inject(value)
    elif option.field.endswith("orders"):
        value = [part.strip() for part in value.split(",") if part.strip()]
    elif option.field == "trace" and Path(value).is_file():
        value = str(Path(value).absolute())
    elif isinstance(option.kind, click.Choice) and value.isdigit():
        value = int(value)
    elif option.scale != 1:
        value = round(value * option.scale)
    body[last] = value


def mix_of(text: str) -> Any:
    """Weights from JSON, or from a file of it. Raises click.UsageError."""
    return _json_of("--mix", text, '{"load": 3, "reclaim": 1}')


def _devices_of(text: str) -> Any:
    """A list of devices from JSON, or from a file of it. Raises click.UsageError."""
    return _json_of("--more-devices", text, '[{"kind": "disk", "priority": 1}]')


def _json_of(flag: str, text: str, example: str) -> Any:
    """JSON that begins as `example` does, or the file of that name."""
    try:
        return json.loads(text if text.lstrip().startswith(example[0]) else Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"{flag} {text}: neither JSON such as '{example}' nor a file: {error}") from error
    except ValueError as error:
        raise click.UsageError(f"{flag} {text}: not JSON: {error}; give such as '{example}'") from error


def _inject(text: str) -> dict[str, int]:
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(equals and rate.isdigit() for _, equals, rate in pairs):
        raise click.UsageError(f"--inject {text}: give names and rates per million, such as charge=1000,device_error=5")
    return {name.strip(): int(rate) for name, _, rate in pairs}


def _explain(error: ValidationError, options: dict[str, SpecOption]) -> str:
    lines = []
    for item in error.errors():
        path = [str(part) for part in item["loc"]]
        option = options.get(".".join(path)) or options.get(path[0] if path else "")
        where = option.flag if option else ".".join(path)
        value = f" {item['input']}" if option and not isinstance(item["input"], dict) else ""
        if option and option.scale != 1:
            where = f"{where} (in ns)"
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{where}{value}: {message}" if where else message)
    return "; ".join(lines)


def options_of(spec: RunSpec) -> list[str] | None:
    """The options with which `swaprace run` makes `spec`; None where it has what no option says."""
    plain = RunSpec(protocol=spec.protocol)
    options = {option.field: option for option in _spec_options()}
    words = []
    for field, value in _leaves(spec.model_dump()).items():
        if field == "protocol" or value == _leaves(plain.model_dump())[field]:
            continue
        if field == "cooperative.scheduler" and spec.cooperative.schedule is not None:
            continue  # --schedule says it
        if field == "seed":
            words += ["--seed", str(value)]
        elif field not in options:
            return None
        elif options[field].is_flag:
            words.append(options[field].flag)
        else:
            words += [options[field].flag, _written(options[field], value)]
    return words


def _leaves(body: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted field of a spec -> value; a mix is one value, and so are all injected failures."""
    flat: dict[str, Any] = {}
    for name, value in body.items():
        if isinstance(value, dict) and name not in ("mix", "inject"):
            flat.update(_leaves(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _written(option: SpecOption, value: Any) -> str:
    if option.field in ("mix", "more_devices"):
        return json.dumps(value)
    if option.field == "inject":
        return ",".join(f"{name}={rate}" for name, rate in value.items())
    if option.field.endswith("orders"):
        return ",".join(str(order) for order in value)
    return repr(value / option.scale) if option.scale != 1 else str(value)


def checked_protocol(name: str) -> str:
    """`name` when it is in the catalogue, a file's class with its path made absolute; else a click.UsageError."""
    if name in PROTOCOLS:
        return name
    path, colon, cls = name.rpartition(":")
    if colon and path.endswith(".pyx"):
        if not Path(path).is_file():
            raise click.UsageError(f"there is no protocol file {path}; give PATH.pyx:Class")
        return f"{Path(path).absolute()}:{cls}"
    return known_protocol(name)


def known_protocol(name: str) -> str:
    """`name` when it is in the catalogue; else a click.UsageError."""
    if name in PROTOCOLS:
        return name
    guess = difflib.get_close_matches(name, PROTOCOLS, n=1)
    hint = f"; did you mean {guess[0]}?" if guess else ""
    raise click.UsageError(f"there is no protocol {name!r}: known are {', '.join(PROTOCOLS)}{hint}")
