"""Both senders over real HTTP: tokens, refusals, lost answers, streams, and servers that are not
the API."""

import asyncio
import zipfile
from decimal import Decimal
from io import BytesIO
from typing import Any, get_args

import pytest

from client import calls
from client.call import Call
from client.errors import ApiError
from client.schemas.generations import ImageIn
from client.schemas.text import DeltaEvent, DoneEvent, StartEvent, TextIn
from client.sign_in import sign_in
from tests.api.harness import PASSWORD
from tests.bots.core.recording_chat import served
from tests.client.conftest import Place, Tokens, Which, sender
from tests.faults.deliveries.api_faults import Kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = pytest.mark.parametrize("which", get_args(Which))
FOX = ImageIn(prompt="a fox")


@BOTH
async def test_a_token_that_the_api_refuses_is_renewed_once(place: Place, which: Which) -> None:
    tokens = Tokens("not a token", place.token)
    async with sender(which, place.url, tokens) as api:
        assert (await api.send(calls.me())).email == place.email
        assert (await api.send(calls.me())).email == place.email
    assert tokens.renewals == 1


@BOTH
@pytest.mark.parametrize("newer", ["not a token either", None])
async def test_a_token_that_cannot_be_renewed_is_a_refusal(
    place: Place, which: Which, newer: str | None
) -> None:
    tokens = Tokens("not a token", newer)
    async with sender(which, place.url, tokens) as api:
        with pytest.raises(ApiError, match="not_authenticated") as refused:
            await api.send(calls.me())
    assert tokens.renewals == 1
    assert refused.value.status == 401
    assert refused.value.needs_person


@BOTH
async def test_a_refusal_is_all_that_the_api_has_said(place: Place, which: Which) -> None:
    async with sender(which, place.url, Tokens(place.token)) as api:
        with pytest.raises(ApiError) as unknown:
            await api.send(calls.generation("nothing"))
        with pytest.raises(ApiError) as wrong:
            await api.send(calls.share("nothing", hours=0))
        with pytest.raises(ApiError) as costly:
            await api.send(calls.image(ImageIn(prompt="a fox", model="no/such")))
    assert (unknown.value.code, unknown.value.status) == ("not_found", 404)
    assert unknown.value.request_id
    assert not unknown.value.unanswered
    assert [one.field for one in wrong.value.fields] == ["hours"]
    assert costly.value.problem is not None
    assert costly.value.problem.model == "no/such"


@BOTH
@pytest.mark.parametrize(
    ("status", "code", "kept"),
    [(200, "bad_answer", 503), (413, "bad_answer", 413), (502, "api_unavailable", 503)],
)
async def test_an_answer_of_something_else_is_no_answer(
    which: Which, status: int, code: str, kept: int
) -> None:
    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>hello</html>"})

    async with (
        served(proxy) as port,
        sender(which, f"http://127.0.0.1:{port}", Tokens("x")) as api,
    ):
        with pytest.raises(ApiError, match=code) as error:
            await api.send(calls.me())
    assert error.value.unanswered
    assert (error.value.status, error.value.unsent) == (kept, False)


@BOTH
async def test_a_refusal_of_a_newer_api_is_a_refusal(which: Which) -> None:
    async def newer(scope: Any, receive: Any, send: Any) -> None:
        said = (
            b'{"code": "tired", "detail": "No.", "reason": "new", "retry_after": 2, '
            b'"cost_usd": "0.5", "draft_id": "d"}'
        )
        await send({"type": "http.response.start", "status": 429, "headers": []})
        await send({"type": "http.response.body", "body": said})

    async with served(newer) as port, sender(which, f"http://127.0.0.1:{port}", Tokens("x")) as api:
        with pytest.raises(ApiError, match="tired") as error:
            await api.send(calls.me())
    assert (error.value.status, error.value.retry_after) == (429, 2)
    assert (error.value.cost, error.value.draft_id) == (Decimal("0.5"), "d")
    assert not error.value.unanswered


@BOTH
async def test_an_api_that_is_not_there_has_got_nothing(which: Which, unused_tcp_port: int) -> None:
    async with sender(which, f"http://127.0.0.1:{unused_tcp_port}", Tokens("x")) as api:
        with pytest.raises(ApiError, match="api_unavailable") as error:
            await api.send(calls.me())
    assert error.value.unsent


@BOTH
@pytest.mark.parametrize("kind", ["status", "reset_before", "reset_after", "half", "hang"])
async def test_a_lost_answer_is_an_error_and_asked_for_again_it_is_paid_once(
    place: Place, which: Which, kind: Kind
) -> None:
    call = calls.image(FOX)
    async with sender(which, place.url, Tokens(place.token), within=3.0) as api:
        place.faults.set("^/generate/image$", kind)
        with pytest.raises(ApiError, match="api_unavailable") as error:
            await api.send(call)
        assert not error.value.unsent
        made = await _until_known(api.send, call)
        (only,) = (await api.send(calls.generations())).items
    assert only.id == made.id


@pytest.mark.parametrize("kind", ["status", "no_database", "reset_after", "hang"])
async def test_a_patient_sender_asks_again_with_the_same_key(place: Place, kind: Kind) -> None:
    async with sender("sync", place.url, Tokens(place.token), within=3.0, patience=60.0) as api:
        place.faults.set("^/generate/image$", kind)
        made = await api.send(calls.image(FOX))
        assert place.faults.struck == 1
        (only,) = (await api.send(calls.generations())).items
    assert only.id == made.id


async def test_a_call_that_must_not_be_repeated_is_not(place: Place) -> None:
    async with sender("sync", place.url, Tokens(place.token), patience=60.0) as api:
        place.faults.set("^/auth/sessions", "reset_before")
        with pytest.raises(ApiError, match="api_unavailable"):
            await api.send(calls.end_other_sessions())
        assert place.faults.struck == 1


@BOTH
async def test_a_call_has_its_own_time(place: Place, which: Which) -> None:
    async with sender(which, place.url, Tokens(place.token)) as api:
        place.faults.set("^/users/me$", "hang")
        with pytest.raises(ApiError, match="api_unavailable"):
            async with asyncio.timeout(20):
                await api.send(Call("GET", "/users/me", within=0.3))


@BOTH
async def test_a_streamed_answer_comes_as_events(place: Place, which: Which) -> None:
    async with sender(which, place.url, Tokens(place.token)) as api:
        first, *written, last = await api.events(calls.text_stream(TextIn(prompt="Why?")))
    assert isinstance(first, StartEvent)
    assert isinstance(last, DoneEvent)
    said = "".join(event.text for event in written if isinstance(event, DeltaEvent))
    assert last.answer.text == said.strip()


@BOTH
@pytest.mark.parametrize("kind", ["half", "reset_before"])
async def test_a_stream_that_breaks_is_an_error(place: Place, which: Which, kind: Kind) -> None:
    heard: list[Any] = []
    async with sender(which, place.url, Tokens(place.token)) as api:
        place.faults.set("^/generate/text$", kind)
        with pytest.raises(ApiError, match="api_unavailable"):
            await api.listen(calls.text_stream(TextIn(prompt="Why?")), heard)
    assert not any(isinstance(event, DoneEvent) for event in heard)


@BOTH
async def test_a_stream_may_be_refused(place: Place, which: Which) -> None:
    async with sender(which, place.url, Tokens(place.token)) as api:
        with pytest.raises(ApiError, match="model_unavailable"):
            await api.events(calls.text_stream(TextIn(prompt="Why?", model="no/such")))


@BOTH
async def test_files_go_up_and_come_down(place: Place, which: Which) -> None:
    async with sender(which, place.url, Tokens(place.token), within=60.0) as api:
        made = await api.send(calls.image(FOX, wait=True))
        picture = await api.send(calls.file(made.images[0].url))
        assert len(picture) == made.images[0].size
        sent = await api.send(calls.upload("fox.png", picture, made.images[0].content_type))
        assert (sent.width, sent.height) == (made.images[0].width, made.images[0].height)
        everything = await api.send(calls.export())
    assert zipfile.ZipFile(BytesIO(everything)).namelist()


@BOTH
async def test_all_pages_of_a_list(place: Place, which: Which) -> None:
    async with sender(which, place.url, Tokens(place.token)) as api:
        models = await api.all(calls.models("image", limit=1))
        found = [one.id for one in models]
        assert found == [one.id for one in await api.all(calls.models("image"))]
    assert len(models) > 1


async def test_a_session_lasts_as_long_as_its_program(place: Place) -> None:
    def work() -> None:
        with sign_in(place.url, place.email, PASSWORD) as api:
            assert api._access is not None
            api._access._until = 0.0  # type: ignore[attr-defined]
            assert api.send(calls.me()).email == place.email
            api._access._token = "not a token"  # type: ignore[attr-defined]
            assert api.send(calls.me()).email == place.email
            (ours, _) = api.send(calls.sessions()).items
            assert ours.current

    await asyncio.to_thread(work)
    async with sender("sync", place.url, Tokens(place.token)) as api:
        assert len((await api.send(calls.sessions())).items) == 1, "it has signed out"


async def _until_known(send: Any, call: Call[Any]) -> Any:
    """Ask again while the API is still answering the first request."""
    while True:
        try:
            return await send(call)
        except ApiError as error:
            if not error.busy:
                raise
        await asyncio.sleep(0.2)
