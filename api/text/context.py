"""The part of a conversation that is sent along: the newest messages that fit."""

from collections.abc import Sequence

from api.catalog.model import Model
from api.catalog.pricing import TOKENS_PER_INPUT_IMAGE, tokens
from api.errors import InvalidRequest
from api.text.store import Message

ANSWER_TOKENS = 8_192
"""The most that an answer may have, thinking included. Always sent: a provider holds the model's
maximum against the credit otherwise."""
THINKING_TOKENS = 16_384
"""The same where much thinking is wanted."""
MEMORY_TOKENS = 16_000
"""The most of a conversation that is sent along with each question: it is paid for each time."""


def answer_tokens(model: Model, wanted: int | None = None) -> int:
    can = model.info.capabilities
    limits = [
        wanted or ANSWER_TOKENS,
        can.max_output_tokens,
        can.context_length and can.context_length // 2,
    ]
    return min(limit for limit in limits if limit)


def fitting(
    model: Model, history: Sequence[Message], prompt_chars: int, images: int
) -> list[Message]:
    """The newest part of `history`, beginning with a question. Raises `InvalidRequest` when the
    prompt alone is too long."""
    room = MEMORY_TOKENS
    context = model.info.capabilities.context_length
    if context is not None:
        left = (
            context - answer_tokens(model) - tokens(prompt_chars) - images * TOKENS_PER_INPUT_IMAGE
        )
        if left < 0:
            raise InvalidRequest("model_reads_less", field="prompt", model=model.name)
        room = min(room, left)
    kept: list[Message] = []
    for message in reversed(history):
        room -= _tokens(message, model)
        if room < 0:
            break
        kept.append(message)
    while kept and kept[-1].role != "user":
        kept.pop()
    return kept[::-1]


def _tokens(message: Message, model: Model) -> int:
    images = len(message.images) if model.info.capabilities.max_input_images else 0
    return tokens(len(message.content)) + images * TOKENS_PER_INPUT_IMAGE


def title_of(prompt: str) -> str:
    """The first line, cut at a word."""
    line = " ".join(prompt.strip().splitlines()[0].split())
    if len(line) <= 60:
        return line
    cut = line[:60].rpartition(" ")[0] or line[:60]
    return f"{cut}…"
