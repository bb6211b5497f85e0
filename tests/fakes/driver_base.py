"""The parts that the drivers of both fakes share: control calls, waiting, and what people see."""

import base64
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Generic, Protocol, TypeVar

import httpx

from tests.plain_http import PLAIN

T = TypeVar("T")
Seen = TypeVar("Seen")


class SeenWorld(Protocol):
    """Everything at one moment. `version` grows with each change."""

    @property
    def version(self) -> int: ...

    def newest(self) -> list[str]:
        """The newest messages, a line for each."""
        ...


SceneT = TypeVar("SceneT", bound=SeenWorld)


class Driver(ABC, Generic[SceneT]):
    """Actions are plain calls (the fake answers at once); waiting is `await until(...)`."""

    def __init__(self, control_url: str) -> None:
        self._control: dict[str, Any] = {
            "base_url": control_url,
            "trust_env": False,
            "verify": PLAIN,
        }
        self._http = httpx.Client(timeout=30, **self._control)

    def close(self) -> None:
        self._http.close()

    @abstractmethod
    def _seen(self, raw: dict[str, Any]) -> SceneT: ...

    def _do(self, action: str, **given: Any) -> Any:
        # `json=` would refuse halves of characters
        body = json.dumps({name: value for name, value in given.items() if value is not None})
        answer = self._http.post(f"/_fake/{action}", content=body)
        if answer.status_code != 200:
            raise AssertionError(answer.text)
        return answer.json()["result"]

    def clear(self) -> None:
        """End all faults."""
        self._do("clear")

    def forget(self) -> None:
        """Forget all that people and the bot have said, all calls and all faults."""
        self._do("forget")

    def scene(self) -> SceneT:
        return self._seen(self._http.get("/_fake/state").raise_for_status().json())

    async def until(self, find: Callable[[SceneT], T | None], seconds: float = 15) -> T:
        """The first result of `find` that is not empty. It is called again after each change."""
        end, version = time.monotonic() + seconds, -1
        async with httpx.AsyncClient(timeout=seconds + 5, **self._control) as http:
            while True:
                left = end - time.monotonic()
                wanted = {"after": version, "seconds": max(0.0, min(left, 20.0))}
                answer = await http.get("/_fake/state", params=wanted)
                scene = self._seen(answer.raise_for_status().json())
                found = find(scene)
                if found:
                    return found
                if left <= 0:
                    shown = "\n".join(f"  {line}" for line in scene.newest())
                    raise AssertionError(
                        f"not seen within {seconds} s; the newest messages are:\n{shown}"
                    )
                version = scene.version


def picked(kind: type[Seen], raw: dict[str, Any]) -> Seen:
    """The fields that the type has."""
    return kind(**{one.name: raw[one.name] for one in fields(kind)})  # type: ignore[arg-type]


def encoded(file: tuple[str, str, bytes] | None) -> dict[str, str] | None:
    """A file, given by its name, content type and bytes, for a control call."""
    if file is None:
        return None
    name, content_type, data = file
    return {"name": name, "content_type": content_type, "data": base64.b64encode(data).decode()}
