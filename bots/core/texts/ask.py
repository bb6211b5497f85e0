"""Sentences of questions, answers and the help."""

from collections.abc import Sequence
from decimal import Decimal

from bots.core.language import _, sentence
from bots.core.splitting import shorten
from bots.core.texts.errors import charged
from bots.core.texts.words import money
from bots.core.types import PictureWay
from client.schemas.text import CitationOut, TextOut

WRITING = " …"
"""The mark behind a streamed answer that is still growing."""
SOURCES_MOST = 20
THOUGHT_LEAST = 0.95
"""Seconds of thinking that are worth a line."""
MARKS = set("\\`*_[]()<>#~|!")
"""Signs that could be Markdown in the middle of a line."""


new_conversation = sentence(
    "A new conversation. Your next question begins it; the old one is kept on the web page."
)
ask_what = sentence("What would you like to know? For example: /ask Why is the sky blue?")
describe_picture = sentence("Describe this picture.")
"""The question to the model about a picture without a word."""
describe_file = sentence("What is in this? Say the most important things briefly.")
"""The question to the model about a file without a word."""


def documents_too_many(most: int) -> str:
    return _("I read at most %(most)s files at once.", most=most)


def document_too_large(megabytes: int) -> str:
    return _("This file is too large: I read files of up to %(megabytes)s MB.", megabytes=megabytes)


ask_about_words = sentence("What is this about?")
"""The question to the model about quoted words without any of the person's own."""


def quoted_of(name: str) -> str:
    """The line before quoted words; `name` may be empty."""
    return _("%(name)s wrote:", name=name) if name else _("Somebody wrote:")


quoted_own = sentence("You wrote:")
"""The line before quoted words of the bot's own, for the model."""
one_moment = sentence("One moment …")
"""The sentence until there is something to show."""
still_waiting = sentence(
    "I'm still waiting for my server. Your message is not lost: I answer as soon as the "
    "server does."
)
"""The sentence while the API does not answer."""
stop_button = sentence("⏹ Stop")
go_on_button = sentence("▶️ Go on")
go_on = sentence("Please go on exactly where you stopped, without repeating anything.")
"""The request to the model to continue an answer that was cut at its limit."""
only_who_asked = sentence(
    "Only the person who asked can go on with this, and only while the conversation is there."
)
thinking = sentence("💭 Thinking …")
"""The sentence while a model thinks and has written nothing yet."""


def answered(answer: TextOut) -> str:
    """The whole answer: its words, its end where that was not a normal one, its sources, and its
    cost."""
    said = answer.text.strip()
    if not said and answer.images:
        said = _("Here is the picture.") if len(answer.images) == 1 else _("Here are the pictures.")
    thought = thought_for(answer.usage.thinking_seconds)
    parts = [_other_model(answer), thought, said, _sources(answer.citations), _ending(answer)]
    return "\n\n".join(filter(None, parts))


def _other_model(answer: TextOut) -> str:
    if answer.instead_of is None:
        return ""
    names = {"asked": answer.instead_of, "model": answer.model}
    return _("[%(asked)s cannot answer now: this is from %(model)s.]", **names)


def thought_for(seconds: float) -> str:
    """The line about the time of thinking; empty when it was no time to speak of."""
    if seconds < THOUGHT_LEAST:
        return ""
    return _("💭 Thought for %(seconds)s s", seconds=round(seconds))


def _ending(answer: TextOut) -> str:
    cost = charged(answer.cost_usd)
    if answer.finish_reason == "length":
        return _("[Cut at the limit of its length. %(cost)s]", cost=cost)
    if answer.finish_reason == "content_filter":
        return _("[A content filter stopped the answer here. %(cost)s]", cost=cost)
    # who stops an answer by hand is not shown it once more
    if answer.finish_reason in ("stopped", "broken"):
        return _("[The answer stops here. %(why)s]", why=f"{interrupted()} {cost}")
    return money(answer.cost_usd) if answer.cost_usd else ""


def _sources(citations: Sequence[CitationOut]) -> str:
    """The sources as a line of Markdown."""
    return "\n".join(
        f"[{each.number}] [{_linked(each)}]({_address(each.url)})"
        for each in citations[:SOURCES_MOST]
    )


def _linked(citation: CitationOut) -> str:
    """The name of a source, without signs that could be Markdown."""
    name = citation.title or citation.url.partition("://")[2].partition("/")[0]
    return "".join(f"\\{sign}" if sign in MARKS else sign for sign in shorten(name, 80))


def _address(url: str) -> str:
    return "".join(f"%{ord(sign):X}" if sign in "()<>\\" else sign for sign in url)


def pictures_elsewhere(public_url: str | None, conversation_id: str) -> str:
    """The sentence for pictures that are too large for the chat."""
    url = f"{public_url}/generate/text?conversation={conversation_id}"
    where = _("You find it here: %(url)s", url=url)
    if public_url is None:
        where = _("You find it in the conversation on the web page.")
    what = _("A picture of this answer is too large for this chat.")
    return f"{what} {where}"


def stopped(text: str, cost: Decimal | None) -> str:
    """A streamed answer that its reader has ended; `text` may be empty. `cost` None: it is not
    known yet."""
    said = " ".join(filter(None, [_("Stopped."), charged(cost)]))
    return f"{text}\n\n[{said}]" if text else said


nothing_to_stop = sentence("That answer has ended already.")
could_not_stop = sentence("I could not stop that answer. Press once more in a moment.")


def cut_short(text: str, why: str) -> str:
    """A streamed answer that broke off; `text` may be empty."""
    return "\n\n".join([text, _("[The answer stops here. %(why)s]", why=why)]) if text else why


interrupted = sentence("I was interrupted by a restart. Ask me to go on, or ask once more.")
"""The reason for a cut, when it was a restart."""
answer_as_file = sentence("The answer is too long for a chat: all of it is in this file.")
unreadable = sentence(
    "I can't read what was said there. Please mention me in the message, or use a command "
    "such as /ask."
)


def help_page(commands: Sequence[tuple[str, str]], *, private: bool, way: PictureWay) -> str:
    """The help; `commands`: usage and description of each."""
    lines = [f"{usage}: {description}" for usage, description in commands]
    where = _here(way) if private else _in_groups()
    said = [_options_hint(way), "", _files_hint(), "", where]
    return "\n".join([_("This is what I can do:"), *lines, "", *said])


_files_hint = sentence(
    "I read files, too: a PDF of up to 300 pages, DOCX, CSV, text and code, each of up to 20 MB. "
    "Send one with your question, or answer one with it."
)


def _options_hint(way: PictureWay) -> str:
    if way == "option":
        return _(
            "Each command has its options in the menu: aspect_ratio, n, seed, size, model; for "
            "videos also duration, resolution, generate_audio."
        )
    return _(
        "Options go behind the prompt: --ar 16:9, --n 2, --seed 7, --size 1024x1024, --model "
        "name.\n"
        "For videos also: --duration 8, --res 720p, --audio."
    )


def _here(way: PictureWay) -> str:
    if way == "path":
        return _("Just write, and I answer. A picture comes along with its path, such as @fox.png.")
    if way == "option":
        return _(
            "Just write, and I answer. Answer a picture with what should be different, and I "
            "change it; /edit and /animate take one as their option image, and the menu of a "
            "message has them, too. In groups I only heed commands, answers to my messages and "
            "messages that mention me."
        )
    return _(
        "Just write, and I answer. Answer a picture with what should be different, and I change "
        "it; send one with /edit or /animate as its caption. In groups I only heed commands, "
        "answers to my messages and messages that mention me."
    )


_in_groups = sentence(
    "In groups I only heed commands, answers to my messages and messages that mention me; "
    "everything else I neither read nor keep. If mentions do not reach me, the group's operator "
    "has to switch my privacy mode off and add me again. Notes about your account and your budget "
    "are for you alone wherever the platform can do that."
)
