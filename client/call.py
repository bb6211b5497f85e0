"""A call of the API as a value: what is asked, and what is answered. A sender sends it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypedDict, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel, SecretStr
from pydantic_core import to_json

from client.errors import ApiError

T = TypeVar("T")

ACTING = 4.0
"""Every command in a chat begins with it: when the API is away, people know within 5 seconds."""
UPLOADING = 30.0
FETCHING = 40.0
"""For calls that have the API fetch a file from elsewhere."""
LOOKING = 60.0
"""For calls that go through many rows, or ask the provider for its lists."""
MAKING = 200.0
"""For calls that wait until the provider has made something."""
STREAM = 45.0
"""Between two events of a stream. An API that is well sends something every 15 seconds."""

AS_IT_IS = {"accept-encoding": "identity"}
"""Of a file that is passed on as it comes."""

Body = BaseModel | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FileUpload:
    """A file to upload."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. The same value may be sent again: it carries its idempotency key.

    `answer` is the type of the answer, None for an answer without content, `bytes` for a file.
    `within` are the seconds that the API may take for it; None: as long as the sender gives.
    `also` are statuses beside 2xx that are answers, too. `harmless`: nothing comes of it when it
    is done twice. `bare`: it needs no credential, and is sent without.
    """

    method: str
    path: str
    answer: type[T] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    file: FileUpload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    within: float | None = None
    also: frozenset[int] = frozenset()
    harmless: bool = False
    bare: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when its answer was lost."""
        return self.method == "GET" or self.key is not None or self.harmless

    @property
    def content(self) -> bytes | None:
        """The body as JSON: a field that was not given is left out, a null that was meant is
        sent."""
        match self.body:
            case None:
                return None
            case BaseModel():
                given: object = self.body.model_dump(exclude_unset=True)
            case _:
                given = {name: value for name, value in self.body.items() if value is not None}
        return to_json(_revealed(given))

    def introducing(self, person: Mapping[str, str]) -> "Call[T]":
        """The same with the headers that name a person."""
        return replace(self, headers={**self.headers, **person})

    def after(self, cursor: str) -> "Call[T]":
        """The same list from this place on."""
        return replace(self, query={**self.query, "cursor": cursor})


class Paging(TypedDict, total=False):
    """The parameters of every list of the API; without `limit` a page is as long as the API's."""

    cursor: str | None
    limit: int
    sort: str | None


def new_key() -> str:
    """An idempotency key."""
    return uuid4().hex


def paid(
    address: str, answer: type[T], body: Body, key: str | None, within: float | None = None
) -> Call[T]:
    """A POST that is done once, however often it is sent."""
    return Call("POST", address, answer, body=body, key=key or new_key(), within=within)


def path(template: str, *segments: str) -> str:
    """A path with each segment quoted: an id that somebody has typed leads nowhere else. Raises
    `ApiError` `not_found` for what can be no segment: a server reads a quoted slash as a slash."""
    nothing = ApiError("not_found", "There is nothing here.", status=404)
    if not all(segments) or any("/" in one for one in segments):
        raise nothing
    try:
        # dots too: a segment of two of them would lead upwards
        return template.format(*(quote(one, safe="").replace(".", "%2E") for one in segments))
    except UnicodeEncodeError as error:
        raise nothing from error


def query(**values: str | bool | float | datetime | None) -> dict[str, str]:
    """The parameters that were given; an empty text and False count as not given."""
    return {
        name: _worded(value)
        for name, value in values.items()
        if value is not None and value != "" and value is not False
    }


def _worded(value: str | bool | float | datetime) -> str:
    match value:
        case bool():
            return "true"
        case datetime():
            return value.isoformat()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _revealed(value: object) -> object:
    """The same with its secrets readable."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case dict():
            return {name: _revealed(held) for name, held in value.items()}
        case list() | tuple():
            return [_revealed(held) for held in value]
        case _:
            return value
