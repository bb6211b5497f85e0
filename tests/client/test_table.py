"""The table of calls against the API's own schema: each stands for the other."""

import re
from functools import cache
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter

from api.app import create_app
from api.settings import Settings
from client.call import Call
from tests.client.samples import table

TABLE = {name: (call, promised) for name, call, promised in table()}

NOT_CALLED = {
    "GET /metrics": "Prometheus asks it, in a format of its own",
    "POST /generate/video/{generation_id}/cancel": "the same as POST /generations/{id}/cancel",
}
"""Operations without a call."""
HEADERS = {"idempotency-key", "prefer"}
EVENTS = {"text_stream"}
"""Calls whose answer is a stream of events."""


@cache
def schema() -> dict[str, Any]:
    return create_app(Settings.model_construct()).openapi()


@cache
def operations() -> dict[str, dict[str, Any]]:
    """Return the operations by method and path as the schema has them."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
    }


def operation_of(call: Call[Any]) -> str:
    """Return the operation that the call reaches; a path without parameters goes before one
    with."""
    fitting = [
        name
        for name in operations()
        if name.startswith(f"{call.method} ") and _fits(name.partition(" ")[2], call.path)
    ]
    assert fitting, f"the API has no {call.method} {call.path}"
    return min(fitting, key=lambda name: name.count("{"))


def _fits(template: str, path: str) -> bool:
    pattern = re.sub(
        r"\{[^}]+\}", "[^/]+", re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    )
    return re.fullmatch(pattern, path) is not None


def test_every_operation_has_a_call_or_a_reason() -> None:
    called = {operation_of(call) for call, _ in TABLE.values()}
    assert called | NOT_CALLED.keys() == operations().keys()
    assert not called & NOT_CALLED.keys()


@pytest.mark.parametrize("name", TABLE)
def test_a_call_is_what_the_api_takes(name: str) -> None:
    call, _ = TABLE[name]
    operation = operations()[operation_of(call)]
    parameters = operation.get("parameters", [])
    known = {one["name"] for one in parameters if one["in"] == "query"}
    assert call.query.keys() <= known
    assert {one["name"] for one in parameters if one.get("required") and one["in"] == "query"} <= (
        call.query.keys()
    )
    if not name.endswith(("media", "file", "fit", "plan_broadcast")):
        missing = known - call.query.keys()
        assert not missing, f"a caller cannot give {missing}"
    headers = {one["name"].lower() for one in parameters if one["in"] == "header"} & HEADERS
    if "idempotency-key" in headers and name != "plan_broadcast":
        assert call.key is not None
    if call.key is not None:
        assert "idempotency-key" in headers
    assert set(map(str.lower, call.headers)) & HEADERS <= headers


@pytest.mark.parametrize("name", TABLE)
def test_a_body_is_what_the_api_takes(name: str) -> None:
    call, _ = TABLE[name]
    content = operations()[operation_of(call)].get("requestBody", {}).get("content", {})
    if call.file is not None:
        (kind,) = content
        assert kind == "multipart/form-data"
        return
    if not content:
        assert call.body is None
        return
    expected = _resolved(content["application/json"]["schema"])
    if isinstance(call.body, BaseModel):
        assert expected["title"] == type(call.body).__name__
        return
    assert call.body is not None
    assert call.body.keys() <= expected["properties"].keys()
    assert set(expected.get("required", ())) <= call.body.keys()


@pytest.mark.parametrize("name", sorted(TABLE.keys() - EVENTS))
def test_an_answer_is_what_the_api_gives(name: str) -> None:
    call, promised = TABLE[name]
    responses = operations()[operation_of(call)]["responses"]
    given = [
        response["content"]["application/json"]["schema"]
        for status, response in responses.items()
        if status.startswith("2") and "application/json" in response.get("content", {})
    ]
    if call.answer is None or call.answer is bytes:
        assert promised in {type(None), bytes}
        assert not given
        return
    assert promised == call.answer
    assert given
    expected = TypeAdapter(call.answer).json_schema(mode="serialization")
    for one in given:
        assert _titles(_resolved(one)) == _titles(expected)


def _resolved(found: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in found:
        found = next(one for one in found["anyOf"] if "$ref" in one)
    if "$ref" in found:
        resolved: dict[str, Any] = schema()["components"]["schemas"][
            found["$ref"].rpartition("/")[2]
        ]
        return resolved
    return found


def _titles(found: dict[str, Any]) -> tuple[object, ...]:
    """Return kind, name and fields of an answer."""
    items = found.get("items", {}).get("$ref", "").rpartition("/")[2]
    return (
        found["type"],
        found.get("title") if "properties" in found else "",
        items,
        *sorted(found.get("properties", ())),
    )


def test_a_call_that_the_api_does_not_have_is_seen() -> None:
    with pytest.raises(AssertionError, match="the API has no"):
        operation_of(Call("POST", "/users/me"))
    assert get_args(Call[int]) == (int,)
