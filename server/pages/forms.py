"""The launch form: made from the JSON schema of a RunSpec, so that it asks for what a spec may say and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from server.errors import Fault
from workers.catalogue import PROTOCOLS
from workers.spec import RunSpec

# Headings of the form and the fields below each; a field that no heading names stands under the last.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Race", ("protocol", "scenario", "cpus", "seconds", "executor", "hz", "seed", "trace", "mix")),
    ("Device", ("device.", "more_devices")),
    ("zswap", ("zswap.",)),
    (
        "Memory",
        (
            *("memcg.", "folios", "slots", "pages", "mms", "payload_bytes", "cluster_slots", "readahead_pages"),
            "anon_orders",
        ),
    ),
    ("Files of tmpfs", ("shmem.",)),
    ("Laws and locks", ("laws", "lockdep", "lock")),
    ("Injected failures", ("inject.",)),
    ("Cooperative executor", ("cooperative.",)),
    ("Workload", ()),
)
HINTS = {
    "protocol": "what brings a slot in",
    "scenario": "the workload",
    "cpus": "emulated CPUs: one process each",
    "seconds": "measured time of a run of real processes",
    "executor": "real processes, or one thread that plays every interleaving",
    "hz": "ticks a second; a loser of has_cache sleeps one",
    "seed": "of everything random",
    "trace": "for scenario trace: cc1 or python",
    "access": "order in which a workload touches its pages",
    "payload_bytes": "content of a page, which is verified",
    "readahead_pages": "pages that a readahead brings in",
    "anon_orders": "of large anonymous folios, as 2,4: 2^order pages each; empty: single pages alone",
    "cluster_slots": "slots of a cluster; empty: 512, cooperative 16",
    "memcg.version": "of the memory cgroup",
    "memcg.limit_pages": "memory limit; empty: by scenario",
    "memcg.children": "memcgs below the limited one; the mms take turns in them",
    "shmem.inodes": "files of tmpfs, for the shmem operations of a mix",
    "shmem.pages": "pages of one file of tmpfs",
    "shmem.orders": "of large folios of files, as 2,4: 2^order pages each; empty: single pages alone",
    "zswap.pool_pages": "pages that zswap may keep; 0: there is no zswap",
    "zswap.accept_percent": "of the pool: once it was full, zswap takes pages again below",
    "zswap.shrinker": "direct reclaim writes entries back, the oldest first",
    "zswap.no_writeback": "no page goes to the device, refused by zswap or not",
    "zswap.store_ns": "busy time of compressing a page",
    "zswap.load_ns": "busy time of decompressing a page",
    "device.kind": "zram keeps the caller busy, a disk lets it sleep",
    "more_devices": 'further devices, as JSON: [{"kind": "disk", "priority": 1}]',
    "cooperative.scheduler": "how the next CPU is chosen",
    "cooperative.schedules": "interleavings that are played",
    "mix": 'for scenario mix, as JSON: {"load": 3, "reclaim": 1}',
    "lock": "lock word with a semaphore, or a plain semaphore",
    "laws": "when the laws are checked",
    "lockdep": "report illegal lock order and sleeps under spinlocks",
    "inject.folio_alloc": "of a million allocations of a folio that fail",
    "inject.table_alloc": "of a million allocations of a cluster's swap table that fail",
    "inject.count_alloc": "of a million allocations of a continuation page or extend table that fail",
    "inject.charge": "of a million memcg charges that fail",
    "inject.device_error": "of a million requests that end with an error",
    "inject.device_slow": "of a million requests that take 20 times as long",
    "inject.lock_delay": "of a million holders of a cluster lock who are held up for 10 us",
}


@dataclass(frozen=True)
class FormField:
    """One field of a spec: `name` is its dotted path, `choices` those of a select, `kind` what the browser asks for."""

    name: str
    kind: str
    default: str
    hint: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def label(self) -> str:
        """The last part of the name, in words; `memcg` stays, since its fields stand among others."""
        last = self.name if self.name.startswith(("memcg.", "shmem.", "zswap.")) else self.name.rpartition(".")[2]
        return {"cpus": "CPUs", "hz": "HZ"}.get(last, last.replace("_", " ").replace(".", " "))

    @property
    def id(self) -> str:
        """The name as an id of HTML."""
        return "field-" + self.name.replace(".", "-")


@dataclass(frozen=True)
class FormGroup:
    """Fields under one heading; `open` when one of them is wrong or is not as by default."""

    title: str
    fields: Sequence[FormField]
    open: bool


def spec_fields() -> list[FormField]:
    """Every field of a RunSpec, nested ones by dotted path, in the order of the spec; a rate of `inject` is one."""
    schema = RunSpec.model_json_schema()
    fields = []
    for name, part in schema["properties"].items():
        nested = schema["$defs"].get(part.get("$ref", "").rpartition("/")[2])
        if nested is not None:
            inside = nested["properties"]
        elif "propertyNames" in part:  # known names, each with a value of the same kind
            inside = dict.fromkeys(part["propertyNames"]["enum"], part["additionalProperties"])
        else:
            fields.append(_field(name, part))
            continue
        fields += [_field(f"{name}.{inner}", inner_part) for inner, inner_part in inside.items()]
    return fields


def _field(name: str, part: Mapping[str, Any]) -> FormField:
    options: list[Mapping[str, Any]] = [each for each in part.get("anyOf", [part]) if each.get("type") != "null"]
    main = options[0]
    optional = len(options) < len(part.get("anyOf", [part]))
    hint = HINTS.get(name) or part.get("description", "").replace("None:", "empty:")
    default = part.get("default")
    text = (
        ""
        if default is None or default == []
        else ("on" if default is True else "" if default is False else str(default))
    )
    choices = tuple(str(each) for each in main.get("enum", ()))
    if name == "protocol":
        choices = tuple(PROTOCOLS)
    if choices:
        return FormField(name, "select", text, hint, ("", *choices) if optional else choices)
    if main.get("type") == "boolean":
        return FormField(name, "check", text, hint)
    if main.get("type") in ("integer", "number"):
        least, most = main.get("minimum"), main.get("maximum")
        return FormField(name, main["type"], text, hint, least=least, most=most)
    return FormField(name, "text", text, hint)


def form_groups(values: Mapping[str, str], errors: Mapping[str, Sequence[str]]) -> list[FormGroup]:
    """The fields under their headings, in the order of GROUPS."""
    left = {field.name: field for field in spec_fields()}
    groups = []
    for number, (title, names) in enumerate(GROUPS):
        last = number == len(GROUPS) - 1
        wanted = [name for name in left if last or _belongs(name, names)]
        wanted.sort(key=lambda name: names.index(name) if name in names else len(names))
        fields = [left.pop(name) for name in wanted]
        changed = any(values.get(each.name, each.default) != each.default or each.name in errors for each in fields)
        groups.append(FormGroup(title, fields, open=number == 0 or changed))
    return groups


def _belongs(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or (prefix.endswith(".") and name.startswith(prefix)) for prefix in prefixes)


def read_form(values: Mapping[str, str]) -> dict[str, Any]:
    """The body that the API would be sent for the form; what is left empty is left out."""
    body: dict[str, Any] = {}
    for field in spec_fields():
        text = values.get(field.name, "").strip()
        if not text:
            continue
        *parents, last = field.name.split(".")
        inside = body
        for parent in parents:
            inside = inside.setdefault(parent, {})
        inside[last] = _value(field, text)
    return body


def _value(field: FormField, text: str) -> Any:
    """What the text stands for; a text that stands for nothing of the field's kind is left for the spec to refuse."""
    if field.kind == "check":
        return True
    if field.name in ("mix", "more_devices"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if field.name.endswith("orders"):
        return [part.strip() for part in text.split(",") if part.strip()]
    if field.kind == "text":
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def errors_of(error: ValidationError) -> dict[str, list[str]]:
    """Dotted path of a field -> what is wrong with it; '' for what is wrong with the whole."""
    found: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in item["loc"])
        found.setdefault(known_name(name), []).append(item["msg"].removeprefix("Value error, "))
    return found


def errors_of_faults(faults: Sequence[Fault]) -> dict[str, list[str]]:
    """The same of faults with JSON pointers, as the API answers them."""
    found: dict[str, list[str]] = {}
    for fault in faults:
        name = (fault.pointer or "#").removeprefix("#").strip("/").replace("/", ".")
        found.setdefault(known_name(name), []).append(fault.detail)
    return found


def known_name(name: str) -> str:
    """The field of the form that a path is about: itself, or what it lies in, or '' for none."""
    names = {field.name for field in spec_fields()}
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in names:
            return ".".join(parts[:length])
    return ""


def values_of_spec(spec: RunSpec) -> dict[str, str]:
    """What the form shows for a spec."""
    dumped = spec.model_dump(mode="json")
    values = {}
    for field in spec_fields():
        value: Any = dumped
        for part in field.name.split("."):
            value = value.get(part)  # a failure that is not injected has no rate
        if value is None or value is False:
            values[field.name] = ""
        elif value is True:
            values[field.name] = "on"
        elif field.name.endswith("orders"):
            values[field.name] = ",".join(str(order) for order in value)
        else:
            values[field.name] = json.dumps(value) if isinstance(value, (dict, list)) else f"{value}"
    return values
