"""Thinking before an answer: the request as the provider checks it, and made-up thoughts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.answers import pieces
from sandbox.faults import invalid
from sandbox.models import ChatModel

Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]
_THOUGHT = (
    "First I look at what is asked. Then I think of two ways to answer it. The first is short, "
    "the second is thorough. I weigh them, look for what could be wrong, and choose one."
)
_WORDS = {"minimal": 4, "low": 8, "medium": 16, "high": 32, "xhigh": 36, "max": 38}


class Reasoning(BaseModel):
    model_config = ConfigDict(extra="forbid")

    effort: Effort | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    exclude: bool = False
    enabled: bool = True
    summary: Literal["auto", "concise", "detailed"] | None = None


def thoughts(asked: Reasoning | None, short: Effort | None, model: ChatModel) -> list[str]:
    """Return the pieces of thinking; none for a model that does not think, or is told not to."""
    effort = asked.effort if asked else None
    if asked and asked.effort and asked.max_tokens:
        raise invalid("reasoning: only one of effort and max_tokens can be given")
    if short and effort and short != effort:
        raise invalid("reasoning_effort and reasoning.effort must agree")
    effort = effort or short
    able = model.reasoning
    if able is None:
        return []
    if able.get("mandatory") and (effort == "none" or (asked and not asked.enabled)):
        raise invalid(f"{model.id}: reasoning is mandatory and cannot be disabled")
    supported = able.get("supported_efforts")
    if effort not in (None, "none") and supported is not None and effort not in supported:
        raise invalid(f"{model.id}: reasoning effort {effort!r} is not supported")
    if effort is None:
        effort = able.get("default_effort") if able.get("default_enabled") else "none"
    return pieces(_THOUGHT)[: _WORDS.get(str(effort), 0)]


def thinking_delta(piece: str) -> dict[str, Any]:
    """Return a piece of thinking as streams have it: the same text twice."""
    detail = {"type": "reasoning.text", "text": piece, "format": "unknown", "index": 0, "id": None}
    return {"role": "assistant", "content": "", "reasoning": piece, "reasoning_details": [detail]}
