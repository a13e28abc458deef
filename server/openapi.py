"""The OpenAPI document, completed: what holds for every operation is said once here, for all of them."""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask

from server.api.common import IDEMPOTENCY_HEADER, problems
from server.errors import Problem

EVERY = (421, 422, 500)
UNSAFE = (400, 403, 413, 415)
LOCATION = {"Location": {"description": "address of what was made", "schema": {"type": "string"}}}
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
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict):
                _complete_operation(path, method, operation)
    return document


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
    return {key: _renamed(value, names) for key, value in part.items()}


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status, response in problems(*EVERY, *(UNSAFE if method == "post" else ())).items():
        responses[str(status)] = response
    operation["responses"] = responses = dict(sorted(responses.items()))
    if "429" in responses:
        responses["429"]["headers"] = RETRY_AFTER
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        responses["202" if "202" in responses else "201"]["headers"] = LOCATION
        operation.setdefault("parameters", []).append(
            {
                "name": IDEMPOTENCY_HEADER,
                "in": "header",
                "description": "the same key with the same body is answered as the first time; it makes nothing new",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            }
        )
