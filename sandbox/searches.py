"""The server tool that searches the web: its request as the provider checks it, and made-up
results."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.answers import tokens
from sandbox.faults import ErrorAnswer, invalid
from sandbox.files import Gathered
from sandbox.models import ChatModel

SEARCH_USD = {"exa": Decimal("0.007"), "parallel": Decimal("0.005")}
_FREE_RESULTS = 10
_RESULT_USD = Decimal("0.001")
_SEVERAL = ("compare", "both", "each")


class WebSearchParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    engine: Literal["auto", "native", "exa", "firecrawl", "parallel", "perplexity"] = "auto"
    mode: str | None = None
    max_results: Annotated[int, Field(ge=1, le=25)] = 5
    max_uses: Annotated[int, Field(ge=1)] | None = None
    max_total_results: Annotated[int, Field(ge=1)] = 50
    search_context_size: Literal["low", "medium", "high"] | None = None
    max_characters: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    allowed_domains: list[str] | None = None
    excluded_domains: list[str] | None = None
    user_location: dict[str, str] | None = None
    x_search: dict[str, Any] | None = None


class Tool(BaseModel):
    """A tool; others than the search are taken and never called."""

    type: str
    parameters: dict[str, Any] | None = None
    function: dict[str, Any] | None = None


def search(tools: Sequence[Tool], question: str, model: ChatModel, gathered: Gathered) -> None:
    """Search as often as the question seems to want, and add what was found."""
    known = [each for each in tools if each.type in {"openrouter:web_search", "function"}]
    if len(known) < len(tools):
        raise invalid(f"tools: unknown type {tools[0].type!r}")
    if tools and "tools" not in model.supported_parameters:
        raise ErrorAnswer(404, "No endpoints found that support tool use")
    for tool in known:
        if tool.type == "function":
            if not tool.function or not tool.function.get("name"):
                raise invalid("tools.function.name: Field required")
            continue
        wanted = _parameters(tool.parameters or {})
        count = 2 if any(word in question.lower() for word in _SEVERAL) else 1
        for number in range(min(count, wanted.max_uses or count)):
            _add(question, number, wanted, gathered)


def _parameters(given: dict[str, Any]) -> WebSearchParameters:
    try:
        return WebSearchParameters.model_validate(given)
    except ValueError as error:
        raise invalid(f"tools.parameters: {error}") from None


def _add(question: str, number: int, wanted: WebSearchParameters, gathered: Gathered) -> None:
    gathered.searches += 1
    results = min(wanted.max_results, wanted.max_total_results)
    each = SEARCH_USD.get(wanted.engine, SEARCH_USD["exa"])
    gathered.cost += each + _RESULT_USD * max(0, results - _FREE_RESULTS)
    gathered.tokens += tokens("x" * min(wanted.max_characters, 400)) * results
    topic = " ".join(question.split())[:40]
    cited: list[dict[str, Any]] = [
        {
            "url": f"https://example.org/{number + 1}",
            "title": f"About {topic}",
            "content": "A made-up page.",
            "start_index": 0,
            "end_index": 10,
        },
        # some providers say no more than the address
        {"url": f"https://news.example.com/{number + 1}"},
        {"url": "https://example.org/1", "title": "The same page once more"},
    ]
    gathered.annotations += [{"type": "url_citation", "url_citation": one} for one in cited]
    gathered.notes.append(f"I searched the web for “{topic}” and made up what I found.")
