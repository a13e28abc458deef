"""The OpenAPI document, completed: what holds for every operation is said once here, for all of them."""

from __future__ import annotations

import re
from typing import Any

from apiflask import APIFlask

from server.api.common import IDEMPOTENCY_HEADER, PREFIX, problems
from server.errors import Problem

NAMED = (f"{PREFIX}/query/saved",)  # made under a name of the client's, which cannot be made twice
EVERY = (401, 403, 421, 422, 500, 503)
UNSAFE = (400, 413, 415)
TAG = {"ETag": {"description": "names what the client then has", "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "address of what was made", "schema": {"type": "string"}}}
CHALLENGES = {"WWW-Authenticate": {"description": "how to send a token", "schema": {"type": "string"}}}
RETRY_AFTER = {"Retry-After": {"description": "seconds until it is worth asking again", "schema": {"type": "integer"}}}


def register(app: APIFlask) -> None:
    """Have `app` complete its OpenAPI document."""

    @app.spec_processor
    def on_document(document: dict[Any, Any] | str) -> dict[Any, Any] | str:
        assert isinstance(document, dict)  # the text form is YAML's, which is not served
        return complete(document)


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the problems that the guards answer with, the Idempotency-Key, and the schemas that are only referred to."""
    schemas = _flatten(document)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict):
                _complete_operation(path, method, operation)
        if "post" in methods:
            _link(path, methods["post"], document["paths"])
    return document


def _link(path: str, made_by: dict[str, Any], paths: dict[str, Any]) -> None:
    """Link what a POST to a list makes to every operation that takes its id or name in the address."""
    below = re.compile(re.escape(path) + r"/\{([a-z_]+)\}(/[^{]*)?")
    links = {}
    for other, methods in paths.items():
        match = below.fullmatch(other)
        for operation in methods.values() if match else ():
            if match and "operationId" in operation:
                field = "name" if match[1] == "name" else "id"
                parameters = {match[1]: f"$response.body#/{field}"}
                links[operation["operationId"]] = {"operationId": operation["operationId"], "parameters": parameters}
    for status in {"201", "202"} & made_by["responses"].keys() if links else ():
        made_by["responses"][status]["links"] = links


def _flatten(document: dict[str, Any]) -> dict[str, Any]:
    """Name a nested model `Run` by its own name, where APIFlask writes a copy for each model around it, `RunPage.Run`.

    Two models that share a name and differ keep their copies.
    """
    schemas: dict[str, Any] = document["components"]["schemas"]
    short = {name: name.rpartition(".")[2] for name in schemas}
    plain = {name: _renamed(schema, short) for name, schema in schemas.items()}
    alike = {
        name: alone for name, alone in short.items() if all(plain[n] == plain[name] for n in short if short[n] == alone)
    }
    renamed = {alike.get(name, name): _renamed(schema, alike) for name, schema in schemas.items()}
    document["components"]["schemas"] = dict(sorted(renamed.items()))
    document["paths"] = _renamed(document["paths"], alike)
    flat: dict[str, Any] = document["components"]["schemas"]
    return flat


def _renamed(part: Any, names: dict[str, str]) -> Any:
    """`part` with every reference to a schema of `names` changed."""
    if isinstance(part, list):
        return [_renamed(each, names) for each in part]
    if not isinstance(part, dict):
        return part
    root = "#/components/schemas/"
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith(root):
        name = reference.removeprefix(root)
        return {**part, "$ref": root + names.get(name, name)}
    if "propertyName" in part and isinstance(part.get("mapping"), dict):  # a discriminator: its values are references
        targets = {value: target.removeprefix(root) for value, target in part["mapping"].items()}
        mapping = {value: root + names.get(target, target) for value, target in targets.items()}
        return {**part, "mapping": mapping}
    return {key: _renamed(value, names) for key, value in part.items()}


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status, response in problems(*EVERY, *(UNSAFE if method in ("post", "put", "delete") else ())).items():
        responses[str(status)] = response
    operation["responses"] = responses = dict(sorted(responses.items()))
    for status in {"429", "503"} & responses.keys():
        responses[status]["headers"] = RETRY_AFTER
    responses["401"]["headers"] = CHALLENGES
    operation.setdefault("security", [{}, {"token": []}])  # none is needed on loopback, unless the server says so
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    if (
        method == "get"
        and path.startswith(PREFIX)
        and "application/json" in responses.get("200", {}).get("content", {})
    ):
        responses["304"] = {"description": "The client has it: If-None-Match names its ETag."}
        responses["200"]["headers"] = TAG
        operation.setdefault("parameters", []).append(_header("If-None-Match", "ETag of what the client has"))
    if "412" in responses:
        operation.setdefault("parameters", []).append(_header("If-Match", "ETag of what the client takes it to be"))
    made = responses.get("202") or responses.get("201")
    if made is not None and ("requestBody" in operation or path.endswith("/retry")):
        made["headers"] = LOCATION
        if path in NAMED:
            return
        operation.setdefault("parameters", []).append(
            {
                "name": IDEMPOTENCY_HEADER,
                "in": "header",
                "description": "the same key with the same body is answered as the first time; it makes nothing new",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            }
        )


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
