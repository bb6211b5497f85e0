"""Calls about what was made: the gallery, one generation, its files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from admin_web.api_http import ApiHttp, address, check, parse, query
from api.generations.schemas import GenerationOut
from api.schemas import Page


class GalleryCalls(ApiHttp):
    def generations(self, *, limit: int = 24, **filters: str | None) -> Page[GenerationOut]:
        """Newest first; `filters` are the api's own: `kind status q favourite model source since until cursor`."""
        return parse(Page[GenerationOut], self.send("GET", "/generations", params=query(limit=limit, **filters)))

    def generation(self, generation_id: str) -> GenerationOut:
        return parse(GenerationOut, self.send("GET", address("/generations/{}", generation_id)))

    def cancel(self, generation_id: str) -> None:
        self.send("POST", address("/generations/{}/cancel", generation_id))

    def set_favourite(self, generation_id: str, favourite: bool) -> None:
        self.send("PUT", address("/generations/{}/favourite", generation_id), json={"favourite": favourite})

    def delete_generation(self, generation_id: str) -> None:
        self.send("DELETE", address("/generations/{}", generation_id))

    @contextmanager
    def media(self, media_id: str, query: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A file, streamed; 206, 304 and 416 are answers, not errors. The owner may read it also when its link has run out."""
        response = self.open("GET", f"{address('/media/{}', media_id)}?{query}", headers={**headers, "accept-encoding": "identity"})
        try:
            check(response, (200, 206, 304, 416))
            yield response
        finally:
            response.close()
