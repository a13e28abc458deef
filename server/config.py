"""Settings of the service: read once from SWAPRACE_* in the environment. docs/settings.md lists them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from server.places import read_cpus
from workers.spec import MAX_CPUS, MAX_SECONDS

PREFIX = "SWAPRACE_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")


class SettingsError(ValueError):
    """A variable that cannot be used: which one, what it holds, what would be right."""


def default_database(environ: Mapping[str, str]) -> Path:
    """`$XDG_DATA_HOME/swaprace/results.db`, below `~/.local/share` where the variable is unset or empty."""
    home = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or str(Path.home())) / ".local" / "share")
    return Path(home) / "swaprace" / "results.db"


class Settings(BaseModel):
    """One field a variable: `database` is SWAPRACE_DATABASE. Limits have their reason in the description."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str = Field(
        description="file of the results database, whose directory is made when missing, or postgresql://user@host/name"
    )
    host: str = Field(
        "127.0.0.1", description="address to listen on; beyond loopback a token must exist, and is always asked for"
    )
    port: int = Field(8000, ge=1, le=65535, description="port to listen on")
    hosts: str = Field(
        "",
        max_length=4000,
        description="names that requests may come for beside loopback's and that of the host, with commas",
    )
    require_token: bool = Field(False, description="ask for a token on loopback too")
    threads: int = Field(32, ge=4, le=256, description="threads of the one server process")
    stream_seconds: float = Field(
        300.0, ge=0.1, le=86400, description="time that one stream of events lasts; clients come back by themselves"
    )
    request_seconds: float = Field(
        10.0, ge=0.5, le=600, description="time that a client has to send a whole request; no thread waits for it"
    )
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=100_000_000, description="largest request body")
    max_queue: int = Field(10_000, ge=1, le=1_000_000, description="runs that may wait in the queue")
    max_cpus: int = Field(MAX_CPUS, ge=1, le=MAX_CPUS, description="most CPUs that a run of the API may ask for")
    max_seconds: float = Field(
        MAX_SECONDS, gt=0, le=MAX_SECONDS, description="longest measured time that a run of the API may ask for"
    )
    explorations: int = Field(1, ge=0, le=64, description="explorations that the server plays at once; 0 plays none")
    max_exploration_seconds: float = Field(
        3600.0,
        gt=0,
        le=86400,
        description="longest time that an exploration may ask for, or that its schedules may take",
    )
    max_segment_bytes: int = Field(
        4 << 30, ge=1 << 20, le=1 << 46, description="largest segment of shared memory that a run of the API may need"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json: an object a line; console: for people; auto: console on a terminal, else json"
    )
    lease_seconds: float = Field(
        15.0, ge=1, le=3600, description="silence of a supervisor after which its run is lost; it speaks every second"
    )
    deadline_margin_seconds: float = Field(
        60.0, ge=0.1, le=3600, description="time a run has beyond its measured seconds, to set up and to check its laws"
    )
    cooperative_deadline_seconds: float = Field(
        3600.0, ge=0.1, le=86400, description="time that a run of the cooperative executor has"
    )
    kill_after_seconds: float = Field(
        5.0, ge=0.05, le=600, description="time to end that a cancelled or late supervisor has before it is killed"
    )

    journals: str | None = Field(
        None,
        max_length=4000,
        description="directory of what living runs say; beside a SQLite file, else below ~/.local/state, when not set",
    )
    placer: str = Field(
        "local", max_length=300, description="where runs are measured: local, dask=ADDRESS, slurm or slurm=JOBS"
    )
    cpu_set: str | None = Field(
        None, max_length=4000, description="CPUs that runs of this process are kept on, as 0-3,8; all when not set"
    )

    query_seconds: float = Field(10.0, ge=0.1, le=600, description="time that a query of a client may take")
    query_memory_bytes: int = Field(
        1 << 30, ge=1 << 28, le=1 << 36, description="memory of the process that answers a query"
    )
    query_processes: int = Field(4, ge=1, le=64, description="queries that are answered at once")
    keep_days: float = Field(
        0.0, ge=0, le=36500, description="runs that ended longer ago are pruned, once a day; 0 keeps all"
    )
    keep_bytes: int = Field(
        0, ge=0, le=1 << 50, description="size of the database above which the oldest runs are pruned; 0 for any"
    )
    audit_days: float = Field(
        365.0, ge=0, le=36500, description="days that rows of the record of changes are kept; 0 keeps all"
    )

    @field_validator("cpu_set")
    @classmethod
    def _cpus(cls, cpu_set: str | None) -> str | None:
        if cpu_set is not None:
            read_cpus(cpu_set)
        return cpu_set

    @field_validator("host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        if host not in LOOPBACK:
            try:
                ip_address(host)
            except ValueError:
                raise ValueError(f"{host!r} is no address; use an IP address or localhost") from None
        return host

    @field_validator("hosts")
    @classmethod
    def _host_names(cls, hosts: str) -> str:
        for name in filter(None, hosts.split(",")):
            if not HOST_NAME.fullmatch(name.strip()):
                raise ValueError(f"{name.strip()!r} is no host name; give names without scheme and port, with commas")
        return hosts

    @property
    def host_names(self) -> tuple[str, ...]:
        """Every name that the Host of a request may have, in lower case, without port and brackets."""
        given = (name.strip().lower() for name in self.hosts.split(","))
        return tuple(dict.fromkeys(filter(None, [*LOOPBACK, self.host.lower(), *given])))

    @field_validator("database", mode="before")
    @classmethod
    def _path_or_url(cls, database: object) -> object:
        if isinstance(database, str) and "://" in database:
            from server.db import DatabaseError, parsed_url  # here: SQLAlchemy takes a while to load

            try:
                parsed_url(database)
            except DatabaseError as error:
                raise ValueError(str(error)) from error
        return str(database) if isinstance(database, Path) else database

    @property
    def database_url(self) -> str:
        """The database as SQLAlchemy wants it."""
        from server.db import database_url

        return database_url(self.database)

    @property
    def journals_directory(self) -> Path:
        """Where supervisors keep their journals: on this host, and the same for every process of one database."""
        from server.db import is_postgresql, sqlite_path

        if self.journals is not None:
            return Path(self.journals).expanduser().absolute()
        if not is_postgresql(self.database_url):
            file = sqlite_path(self.database_url)
            return file.with_name(f"{file.name}.journals")
        home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        return Path(home) / "swaprace" / "journals"

    @property
    def database_name(self) -> str:
        """The database as it may be printed: without a password."""
        from server.db import shown

        return shown(self.database)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of the environment (or of `environ`). Raises SettingsError."""
    environ = os.environ if environ is None else environ
    given = {key[len(PREFIX) :].lower(): value for key, value in environ.items() if key.startswith(PREFIX)}
    known = {name: given[name] for name in Settings.model_fields if name in given}
    known.setdefault("database", str(default_database(environ)))
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        lines = [f"{PREFIX}{str(item['loc'][0]).upper()}={item['input']!r}: {item['msg']}" for item in error.errors()]
        raise SettingsError("; ".join(lines)) from error
