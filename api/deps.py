"""The running app's services as parameters of routes."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Request

Service = TypeVar("Service")

if TYPE_CHECKING:
    FromApp = Annotated[Service, Depends()]
else:

    class FromApp:
        """`FromApp[BudgetService]` is the app's one `BudgetService`."""

        def __class_getitem__(cls, kind: type) -> Any:
            return Annotated[kind, Depends(_lookup(kind))]


@cache
def _lookup(kind: type[Service]) -> Callable[[Request], Awaitable[Service]]:
    async def find(request: Request) -> Service:
        # async, because FastAPI runs a plain function in a thread, which takes longer than this
        found: Service = request.app.state.services.by_type[kind]
        return found

    return find
