"""Calls about what was made: the gallery, one generation, its files, who else sees it, what it
cost."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx

from client.schemas import Page
from client.schemas.budget import MySpendOut
from client.schemas.deliveries import InboxOut, SendIn, SentOut
from client.schemas.generations import DeletedOut, GenerationOut, SharedOut, ShareOut, UsedModelOut
from client.sync import SLOW, ApiHttp, address, as_json, check, parse, parse_list, query


class GalleryCalls(ApiHttp):
    def generations(self, *, limit: int = 24, **filters: str | None) -> Page[GenerationOut]:
        """Newest first; `filters` are the api's own: `kind status q favourite model source since
        until cursor`."""
        return parse(
            Page[GenerationOut],
            self.send("GET", "/generations", params=query(limit=limit, **filters)),
        )

    def used_models(self) -> list[UsedModelOut]:
        return parse_list(UsedModelOut, self.send("GET", "/generations/models"))

    def generation(self, generation_id: str) -> GenerationOut:
        return parse(GenerationOut, self.send("GET", address("/generations/{}", generation_id)))

    def cancel(self, generation_id: str) -> None:
        self.send("POST", address("/generations/{}/cancel", generation_id))

    def set_favourite(self, generation_id: str, favourite: bool) -> None:
        self.send(
            "PUT",
            address("/generations/{}/favourite", generation_id),
            json={"favourite": favourite},
        )

    def delete_generation(self, generation_id: str) -> None:
        self.send("DELETE", address("/generations/{}", generation_id))

    # --- several at once

    def delete_generations(self, ids: Sequence[str]) -> DeletedOut:
        return parse(DeletedOut, self.send("POST", "/generations/delete", json={"ids": list(ids)}))

    @contextmanager
    def zip_files(self, ids: Sequence[str]) -> Iterator[httpx.Response]:
        response = self.open("POST", "/generations/zip", json={"ids": list(ids)}, timeout=SLOW)
        try:
            check(response, (200,))
            yield response
        finally:
            response.close()

    # --- for others to see

    def share(self, generation_id: str, hours: int) -> ShareOut:
        return parse(
            ShareOut,
            self.send(
                "POST", address("/generations/{}/share", generation_id), json={"hours": hours}
            ),
        )

    def shares(self, generation_id: str) -> list[ShareOut]:
        return parse_list(
            ShareOut, self.send("GET", address("/generations/{}/shares", generation_id))
        )

    def unshare(self, generation_id: str, share_id: str) -> None:
        self.send("DELETE", address("/generations/{}/shares/{}", generation_id, share_id))

    def shared(self, token: str) -> SharedOut:
        return parse(SharedOut, self.send("GET", address("/shared/{}", token)))

    def send_to_chat(self, generation_id: str, ask: SendIn, key: str) -> SentOut:
        headers = {"idempotency-key": key}
        return parse(
            SentOut,
            self.send(
                "POST",
                address("/generations/{}/send", generation_id),
                json=as_json(ask),
                headers=headers,
            ),
        )

    # --- what no chat took

    def inbox(self, cursor: str | None = None, limit: int = 20) -> InboxOut:
        return parse(InboxOut, self.send("GET", "/inbox", params=query(cursor=cursor, limit=limit)))

    def read_inbox(self) -> None:
        self.send("POST", "/inbox/read")

    def put_aside(self, delivery_id: str) -> None:
        self.send("DELETE", address("/inbox/{}", delivery_id))

    # --- what it cost

    def spend(self, days: int) -> MySpendOut:
        return parse(MySpendOut, self.send("GET", "/users/me/spend", params=query(days=days)))

    # --- files

    @contextmanager
    def media(
        self, media_id: str, query: str, headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        """A file, streamed; 206, 304 and 416 are answers, not errors. The owner may read it also
        when its link has run out."""
        response = self.open(
            "GET",
            f"{address('/media/{}', media_id)}?{query}",
            headers={**headers, "accept-encoding": "identity"},
        )
        try:
            check(response, (200, 206, 304, 416))
            yield response
        finally:
            response.close()
