"""Written answers: the same for the same question, with a note that no model was asked."""

import hashlib
import random
import re
from collections.abc import Sequence

_WORDS = re.compile(r"--words\s+(\d{1,5})")
_CODE = ("code", "python", "function", "script", "program", "sql", "javascript")
_OPENINGS = (
    "Here is a first answer to “{topic}”.",
    "Good question: “{topic}”.",
    "Let us look at “{topic}” step by step.",
)
_POINTS = (
    "Start with the smallest version that works, and look at it with fresh eyes.",
    "Write down what you know for certain and what you only believe.",
    "Ask one person who has done it before; it saves a day.",
    "Change one thing at a time, so that you can tell what helped.",
    "Set a limit for time and money before you begin.",
    "Keep what surprised you: it is usually the useful part.",
    "Compare two ways side by side instead of arguing about them.",
)
_SENTENCES = (
    "Most of the effort goes into the first tenth, so it pays to begin early.",
    "A short list of clear steps beats a long plan that nobody reads.",
    "What looks like a detail often decides whether people like the result.",
    "It helps to say aloud what the thing is for and for whom.",
    "Small, steady changes are easier to undo than one big leap.",
    "When two answers seem equally good, take the one that is easier to change later.",
    "Numbers are a good start; a walk around the block is a good second opinion.",
    "In the end, the simple version is the one that is still there next year.",
)
_CODE_BLOCK = '''```python
def greet(name: str) -> str:
    """Say hello politely."""
    return f"Hello, {name}!"


print(greet("world"))
```'''
_CLOSING = (
    "\n\n*This text comes from the local sandbox. Set `OPENROUTER_API_KEY` to ask a real model.*"
)


def answer(
    prompt: str, *, sampling: str, turns: int = 1, images: int = 0, notes: Sequence[str] = ()
) -> str:
    """Return Markdown. `sampling`: model, seed and the like; `turns`: user messages so far;
    `images`: pictures that came with the last one; `notes`: sentences about what else came."""
    seed = hashlib.sha256(f"{sampling}|{turns}|{images}|{prompt}".encode()).digest()
    chance = random.Random(seed)  # noqa: S311  (the same question gets the same answer)
    wanted = _WORDS.search(prompt)
    topic = _WORDS.sub("", prompt).strip().replace("\n", " ")
    topic = topic if len(topic) <= 120 else topic[:119] + "…"
    parts = [chance.choice(_OPENINGS).format(topic=topic)]
    if turns > 1:
        parts[0] += f" (This is your question number {turns} in this conversation.)"
    if images:
        parts.append(
            f"I was given {images} picture{'s' if images > 1 else ''} with it; a real model would "
            "describe what is in there."
        )
    parts += notes
    if any(word in prompt.lower() for word in _CODE):
        parts.append(_CODE_BLOCK)
    parts.append(" ".join(chance.sample(_SENTENCES, 2)))
    parts.append(
        "\n".join(f"{number}. {point}" for number, point in enumerate(chance.sample(_POINTS, 3), 1))
    )
    text = "\n\n".join(parts)
    length = (
        int(wanted.group(1)) if wanted else 700 if re.search(r"\blong\b", prompt.lower()) else 0
    )
    return _stretched(text, length, chance) if length else text + _CLOSING


def _stretched(text: str, words: int, chance: random.Random) -> str:
    have = pieces(text)
    while len(have) < words:
        have += pieces("\n\n" + " ".join(chance.sample(_SENTENCES, 4)))
    return "".join(have[:words])


def pieces(text: str) -> list[str]:
    """Split a text into words with the space before them, the pieces of a stream."""
    return re.findall(r"\s*\S+|\s+$", text)


def tokens(text: str) -> int:
    """Count a token for four letters."""
    return (len(text) + 3) // 4
