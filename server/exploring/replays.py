"""A finding played again for a client: `python -m workers.explorer.replay`, a token in, what it came to out.

A token says which protocol, machine and steps are played. A client's may say anything, so what a server would not run
is refused before a process is started: protocols outside the tree, and machines beyond the limits of the settings.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

from pydantic import ValidationError

from server import limits
from server.config import Settings
from server.errors import Fault, ProblemError
from server.exploring.child import ExplorerError, start_tied, tail_of
from server.exploring.names import is_external, wrong_protocol
from workers.exploration import Replayed
from workers.explorer.token import Token, TokenError, decode
from workers.races import SMALL
from workers.spec import RunSpec

REPLAYER = "workers.explorer.replay"
REPLAY_SECONDS = 30.0  # one execution takes milliseconds, its process half a second


def checked(text: str, settings: Settings) -> Token:
    """The token of a text. Raises ProblemError for one that is none, or that asks for what this server does not run."""
    try:
        token = decode(text)
        faults = list(_faults(token, settings))
    except TokenError as error:
        faults = [Fault(pointer="#/token", detail=str(error))]
    if faults:
        raise ProblemError(422, "invalid", "The token cannot be replayed; see errors.", faults)
    return token


def _faults(token: Token, settings: Settings) -> Iterator[Fault]:
    where = "#/token"
    if is_external(token.protocol):
        sentence = "a protocol outside the tree is replayed by the command line only: swaprace replay TOKEN"
        yield Fault(pointer=where, detail=sentence)
        return
    wrong = wrong_protocol(token.protocol)
    if wrong is not None:
        yield Fault(pointer=where, detail=wrong)
    machine = {**SMALL, "cpus": len(token.race.race), **token.race.fields}
    try:
        spec = RunSpec.model_validate({**machine, "protocol": "swap_cache", "executor": "cooperative"})
    except ValidationError as error:
        wrong_field = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(map(str, wrong_field["loc"]))
        yield Fault(pointer=where, detail=f"its machine cannot be: {path}: {wrong_field['msg']}")
        return
    for fault in limits.faults_of(spec, settings):
        yield Fault(pointer=where, detail=fault.detail)


def played(token: str, seconds: float) -> Replayed:
    """What a child process says of a token within so long. Raises ExplorerError where it says nothing."""
    log = os.memfd_create("replay-log")
    try:
        process = start_tied(REPLAYER, log=log)
        try:
            said, _ = process.communicate(token.encode() + b"\n", timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ExplorerError(f"the replay did not end within {seconds:g} s") from None
        finally:
            process.kill()
            process.wait()
        try:
            return Replayed.model_validate_json(said)
        except ValidationError as error:
            tail = tail_of(log) or f"exit code {process.returncode}"
            raise ExplorerError(f"the replay said nothing that can be read: {tail}") from error
    finally:
        os.close(log)
