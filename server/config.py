"""Settings of the service: read once from SWAPRACE_* in the environment. docs/settings.md lists them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from workers.spec import MAX_CPUS, MAX_SECONDS

PREFIX = "SWAPRACE_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SettingsError(ValueError):
    """A variable that cannot be used: which one, what it holds, what would be right."""


def default_database(environ: Mapping[str, str]) -> Path:
    """`$XDG_DATA_HOME/swaprace/results.db`, below `~/.local/share` where the variable is unset or empty."""
    home = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or str(Path.home())) / ".local" / "share")
    return Path(home) / "swaprace" / "results.db"


class Settings(BaseModel):
    """One field a variable: `database` is SWAPRACE_DATABASE. Limits have their reason in the description."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: Path = Field(description="file of the results database; its directory is made when missing")
    host: str = Field("127.0.0.1", description="address to listen on; only loopback, since the API starts processes")
    port: int = Field(8000, ge=1, le=65535, description="port to listen on")
    threads: int = Field(32, ge=4, le=256, description="threads of the one server process")
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=100_000_000, description="largest request body")
    max_queue: int = Field(10_000, ge=1, le=1_000_000, description="runs that may wait in the queue")
    max_cpus: int = Field(MAX_CPUS, ge=1, le=MAX_CPUS, description="most CPUs that a run of the API may ask for")
    max_seconds: float = Field(
        MAX_SECONDS, gt=0, le=MAX_SECONDS, description="longest measured time that a run of the API may ask for"
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

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if host not in LOOPBACK:
            raise ValueError(f"{host!r} is not a loopback address; use one of {', '.join(LOOPBACK)}")
        return host

    @property
    def database_url(self) -> str:
        """The database as SQLAlchemy wants it."""
        return f"sqlite:///{self.database.expanduser().absolute()}"


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
