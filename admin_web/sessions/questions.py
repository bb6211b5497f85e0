"""The questions of one page to the api: they are gathered, and asked together."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from admin_web.sessions.flask_session import SessionEnded
from client import calls
from client.call import Call
from client.errors import ApiError
from client.schemas import BATCH_MAX, Page
from client.sync import Api

T = TypeVar("T")


class _Question:
    """A question that waits to be asked, then its answer or error."""

    def __init__(self, call: Call[Any]) -> None:
        self.call = call
        self.answer: Any = None
        self.error: ApiError | SessionEnded | None = None


class PageApi(Api):
    """The api for the time of one page. Nothing is asked before an answer is needed; then all
    questions that wait are asked with one request."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._waiting: list[_Question] = []

    def send(self, call: Call[T]) -> T:
        """Raises `ApiError`."""
        return self.soon(call)() if calls.joins(call) else super().send(call)

    def soon(self, call: Call[T]) -> Callable[[], T]:
        """Ask soon. The function returned has the answer, and raises what asking raised."""
        question = _Question(call)
        self._waiting.append(question)

        def answer() -> T:
            while question in self._waiting:
                asked = self._waiting[:BATCH_MAX]
                self._ask(asked)
                del self._waiting[: len(asked)]
            if question.error is not None:
                raise question.error
            return cast("T", question.answer)

        return answer

    def all_soon(self, listing: Call[Page[T]]) -> Callable[[], list[T]]:
        """As `soon`, everything on the pages of a list."""
        first = self.soon(listing)

        def answer() -> list[T]:
            page = first()
            if page.next_cursor is None:
                return page.items
            return page.items + self.all(listing.after(page.next_cursor))

        return answer

    def _ask(self, questions: list[_Question]) -> None:
        try:
            if len(questions) == 1:
                answers = [super().send(questions[0].call)]
            else:
                answers = self.send_together([each.call for each in questions])
        except (ApiError, SessionEnded) as error:
            answers = [error] * len(questions)
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, ApiError | SessionEnded):
                question.error = answer
            else:
                question.answer = answer
