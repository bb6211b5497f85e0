"""Rules for every route: ids, problem documents, limits, and no internals in answers."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.version import VERSION
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import settings_of
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        yield running


async def test_ready_names_what_the_api_needs(api: Api) -> None:
    ready = (await api.client.get("/readyz")).json()
    assert ready["ready"]
    assert ready["version"] == VERSION
    names = {"database", "media", "disk", "provider", "background"}
    found = {name: check["ok"] for name, check in ready["checks"].items()}
    assert found == dict.fromkeys(names, True)
    assert ready["setup_needed"]
    await api.admin()
    assert not (await api.client.get("/readyz")).json()["setup_needed"]


@one_engine
async def test_every_answer_has_an_id(api: Api) -> None:
    first, second = await api.client.get("/healthz"), await api.client.get("/nowhere")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert (second.status_code, second.json()["code"]) == (404, "not_found")
    assert second.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/generations?q=%00", "/generations/%00", "/users?q=%00"])
async def test_a_nul_in_an_address_is_refused_on_both_engines(api: Api, path: str) -> None:
    admin = await api.admin()
    answer = await admin.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@one_engine
async def test_a_body_is_read_only_up_to_a_limit(api: Api) -> None:
    admin = await api.admin()
    answer = await admin.post(
        "/generate/text",
        content=b'{"prompt": "' + b"x" * 1_100_000 + b'"}',
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@one_engine
async def test_a_refused_body_is_never_echoed(api: Api) -> None:
    secret = "the password nobody may see"
    answer = await api.client.post(
        "/auth/login", json={"email": "a@b.c", "password": secret, "extra": secret}
    )
    assert answer.status_code == 422
    assert secret not in answer.text
    assert [field["field"] for field in answer.json()["fields"]] == ["extra"]


@one_engine
async def test_the_docs_load_nothing_from_elsewhere(api: Api) -> None:
    page = (await api.client.get("/docs")).text
    assert "http" not in page.replace("http-equiv", "")
    for path in (
        "/static/swagger/swagger-ui-bundle.js",
        "/static/swagger/swagger-ui.css",
        "/openapi.json",
    ):
        assert (await api.client.get(path)).status_code == 200, path


@pytest.mark.parametrize("text", ["a\x00b", "\ud83d", "\udfff\ud800"])
async def test_text_that_cannot_be_encoded_is_refused_wherever_it_stands(
    api: Api, text: str
) -> None:
    """A lone surrogate and NUL: no encoder, no hash and no database takes them."""
    user = await api.user()
    sign_in = {"email": "ana@example.org", "password": text}
    tries = [
        (api.client, "/auth/login", sign_in),
        (api.client, "/auth/register", {**sign_in, "password": f"long enough {text}"}),
        (user, "/auth/reauth", {"current_password": text}),
        (user, "/generations/delete", {"ids": [text]}),
        (user, "/generations/zip", {"ids": ["x", text]}),
        (user, "/generate/text", {"prompt": "x", "images": [text]}),
        (user, "/generate/image", {"prompt": text}),
    ]
    for client, path, body in tries:
        answer = await client.post(
            path, content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (
            path,
            answer.text,
        )
        assert text not in answer.text


@one_engine
@pytest.mark.parametrize(
    "body",
    [b"[" * 5_000, b'{"prompt":' * 5_000, b"[" * 90_000, b"\xff", b'{"a": ' + b"9" * 5_000 + b"}"],
)
async def test_a_body_that_no_parser_takes_is_a_problem_of_who_sent_it(
    api: Api, body: bytes
) -> None:
    user = await api.user()
    for path in ("/generate/text", "/auth/login", "/generations/delete"):
        answer = await user.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code in {400, 422}, answer.json()["code"]) == (
            True,
            "invalid_request",
        ), answer.text


@one_engine
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
async def test_a_method_that_an_address_does_not_take_is_told_which_it_takes(
    api: Api, method: str
) -> None:
    for path, takes in (
        ("/auth/login", "POST"),
        ("/healthz", "GET"),
        ("/models", "GET"),
        ("/links/codes", "POST"),
    ):
        answer = await api.client.request(method, path)
        seen = (answer.status_code, answer.json()["code"], answer.headers["allow"])
        assert seen == (405, "method_not_allowed", takes)
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await api.client.request(method, "/nowhere")).status_code == 404


@one_engine
async def test_all_methods_of_an_address_are_told(api: Api) -> None:
    answer = await api.client.patch("/users/me")
    assert answer.headers["allow"] == "DELETE, GET, PUT"
    assert (await api.client.patch("/conversations/x")).headers["allow"] == "DELETE, GET, PUT"
    assert (await api.client.patch("/static/swagger/swagger-ui.css")).status_code == 405


@one_engine
async def test_no_address_is_made_of_the_host_that_was_asked(api: Api) -> None:
    answer = await api.client.get("/users/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@one_engine
async def test_every_error_in_the_schema_is_a_problem_document(api: Api) -> None:
    schema = (await api.client.get("/openapi.json")).json()
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            failures = {
                status: answer
                for status, answer in operation["responses"].items()
                if status >= "400"
            }
            assert failures.keys() >= {"422", "500", "503"}, (method, path)
            assert ("security" in operation) <= (failures.keys() >= {"401", "403"}), (method, path)
            assert [answer["content"] for answer in failures.values()] == [problem] * len(failures)
    assert schema["components"]["schemas"].keys() >= {"Problem", "FieldProblem", "Between"}
    assert "HTTPValidationError" not in json.dumps(schema)
