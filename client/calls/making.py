"""Calls that make something: models, prices, images, videos, answers, conversations."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from client.schemas import Kind, Page
from client.schemas.catalog import ModelOut
from client.schemas.generations import (
    AgainIn,
    EstimateIn,
    EstimateOut,
    GenerationOut,
    ImageIn,
    UploadOut,
    VideoFromImageIn,
    VideoIn,
)
from client.schemas.text import ChargeOut, ConversationDetailOut, ConversationOut, TextIn, TextOut
from client.sync import SLOW, ApiHttp, address, as_json, check, parse, query

MODELS_AT_ONCE = 100


class MakingCalls(ApiHttp):
    def models(self, kind: Kind) -> list[ModelOut]:
        """All that the person may use: a provider has hundreds, a page of the api's a hundred."""
        found: list[ModelOut] = []
        cursor: str | None = None
        while True:
            params = query(kind=kind, limit=MODELS_AT_ONCE, cursor=cursor)
            part = parse(Page[ModelOut], self.send("GET", "/models", params=params))
            found += part.items
            cursor = part.next_cursor
            if cursor is None:
                return found

    def estimate(self, ask: EstimateIn) -> EstimateOut:
        return parse(EstimateOut, self.send("POST", "/generate/estimate", json=as_json(ask)))

    def image(self, ask: ImageIn, key: str) -> GenerationOut:
        headers = {"idempotency-key": key, "prefer": "respond-async"}
        return parse(
            GenerationOut, self.send("POST", "/generate/image", json=as_json(ask), headers=headers)
        )

    def video(self, ask: VideoIn, key: str) -> GenerationOut:
        return parse(
            GenerationOut,
            self.send(
                "POST", "/generate/video", json=as_json(ask), headers={"idempotency-key": key}
            ),
        )

    def video_from_image(self, ask: VideoFromImageIn, key: str) -> GenerationOut:
        response = self.send(
            "POST",
            "/generate/video/from-image",
            json=as_json(ask),
            headers={"idempotency-key": key},
            timeout=httpx.Timeout(40, connect=3),
        )
        return parse(GenerationOut, response)

    def again(self, generation_id: str, ask: AgainIn, key: str) -> GenerationOut:
        headers = {"idempotency-key": key}
        body = ask.model_dump(mode="json", exclude_unset=True)
        return parse(
            GenerationOut,
            self.send(
                "POST", address("/generations/{}/again", generation_id), json=body, headers=headers
            ),
        )

    def upload(self, name: str, data: bytes, content_type: str) -> UploadOut:
        files = {"file": (name, data, content_type)}
        return parse(
            UploadOut,
            self.send("POST", "/uploads", files=files, timeout=httpx.Timeout(30, connect=3)),
        )

    # --- text

    def text(self, ask: TextIn, key: str) -> TextOut:
        response = self.send(
            "POST",
            "/generate/text",
            json=as_json(ask),
            headers={"idempotency-key": key},
            timeout=SLOW,
        )
        return parse(TextOut, response)

    @contextmanager
    def text_stream(self, ask: TextIn, key: str) -> Iterator[httpx.Response]:
        """The api's server-sent events, not read yet. An error before the first event raises; later
        ones are events themselves."""
        headers = {"idempotency-key": key, "accept": "text/event-stream"}
        response = self.open(
            "POST", "/generate/text", json=as_json(ask), headers=headers, timeout=SLOW
        )
        try:
            check(response, (200,))
            yield response
        finally:
            response.close()

    def stop_text(self, answer_id: str) -> ChargeOut:
        return parse(ChargeOut, self.send("POST", address("/generate/text/{}/stop", answer_id)))

    def conversations(
        self, *, q: str | None = None, cursor: str | None = None, limit: int
    ) -> Page[ConversationOut]:
        return parse(
            Page[ConversationOut],
            self.send("GET", "/conversations", params=query(q=q, cursor=cursor, limit=limit)),
        )

    def conversation(self, conversation_id: str) -> ConversationDetailOut:
        return parse(
            ConversationDetailOut, self.send("GET", address("/conversations/{}", conversation_id))
        )

    def rename_conversation(self, conversation_id: str, title: str) -> ConversationOut:
        return parse(
            ConversationOut,
            self.send("PUT", address("/conversations/{}", conversation_id), json={"title": title}),
        )

    def delete_conversation(self, conversation_id: str) -> None:
        self.send("DELETE", address("/conversations/{}", conversation_id))
