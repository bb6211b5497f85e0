"""The api over HTTP: one method per endpoint, answers as the api's own schema types."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from admin_web.api_accounts import AccountCalls
from admin_web.api_admin import AdminCalls
from admin_web.api_http import SLOW, address, as_json, check, parse, parse_list, query
from api.catalog.schemas import ModelOut
from api.generations.schemas import EstimateIn, EstimateOut, GenerationOut, ImageIn, UploadOut, VideoFromImageIn, VideoIn
from api.schemas import Kind, Page
from api.text.schemas import ConversationDetailOut, ConversationOut, TextIn, TextOut


class ApiClient(AccountCalls, AdminCalls):
    """Everything that the pages ask: accounts, administration (the mixed-in calls), and making things."""

    def models(self, kind: Kind) -> list[ModelOut]:
        response = self.send("GET", "/models", params={"kind": kind, "limit": "100"})
        return parse_list(ModelOut, response)

    def estimate(self, ask: EstimateIn) -> EstimateOut:
        return parse(EstimateOut, self.send("POST", "/generate/estimate", json=as_json(ask)))

    def text(self, ask: TextIn, key: str) -> TextOut:
        response = self.send("POST", "/generate/text", json=as_json(ask), headers={"idempotency-key": key}, timeout=SLOW)
        return parse(TextOut, response)

    @contextmanager
    def text_stream(self, ask: TextIn, key: str) -> Iterator[Iterator[bytes]]:
        """The api's server-sent events as bytes. An error before the first event raises; later ones are events themselves."""
        headers = {"idempotency-key": key, "accept": "text/event-stream"}
        response = self.open("POST", "/generate/text", json=as_json(ask), headers=headers, timeout=SLOW)
        try:
            check(response, (200,))
            yield response.iter_raw()
        finally:
            response.close()

    def image(self, ask: ImageIn, key: str) -> GenerationOut:
        headers = {"idempotency-key": key, "prefer": "respond-async"}
        return parse(GenerationOut, self.send("POST", "/generate/image", json=as_json(ask), headers=headers))

    def video(self, ask: VideoIn, key: str) -> GenerationOut:
        return parse(GenerationOut, self.send("POST", "/generate/video", json=as_json(ask), headers={"idempotency-key": key}))

    def video_from_image(self, ask: VideoFromImageIn, key: str) -> GenerationOut:
        response = self.send(
            "POST", "/generate/video/from-image", json=as_json(ask), headers={"idempotency-key": key}, timeout=httpx.Timeout(40, connect=3)
        )
        return parse(GenerationOut, response)

    def upload(self, name: str, data: bytes, content_type: str) -> UploadOut:
        files = {"file": (name, data, content_type)}
        return parse(UploadOut, self.send("POST", "/uploads", files=files, timeout=httpx.Timeout(30, connect=3)))

    # --- what was made

    def generations(
        self, *, kind: str | None = None, status: str | None = None, q: str | None = None, cursor: str | None = None, limit: int = 24
    ) -> Page[GenerationOut]:
        params = query(kind=kind, status=status, q=q, cursor=cursor, limit=limit)
        return parse(Page[GenerationOut], self.send("GET", "/generations", params=params))

    def generation(self, generation_id: str) -> GenerationOut:
        return parse(GenerationOut, self.send("GET", address("/generations/{}", generation_id)))

    def cancel(self, generation_id: str) -> None:
        self.send("POST", address("/generations/{}/cancel", generation_id))

    def conversations(self, limit: int = 12) -> Page[ConversationOut]:
        return parse(Page[ConversationOut], self.send("GET", "/conversations", params={"limit": str(limit)}))

    def conversation(self, conversation_id: str) -> ConversationDetailOut:
        return parse(ConversationDetailOut, self.send("GET", address("/conversations/{}", conversation_id)))

    @contextmanager
    def media(self, media_id: str, query: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A file, streamed; 206, 304 and 416 are answers, not errors. The owner may read it also when its link has run out."""
        response = self.open("GET", f"{address('/media/{}', media_id)}?{query}", headers={**headers, "accept-encoding": "identity"})
        try:
            check(response, (200, 206, 304, 416))
            yield response
        finally:
            response.close()
