"""Every sentence that a chat shows, in one place. Functions take facts and return words; nothing here decides anything."""

from collections.abc import Sequence
from decimal import Decimal

from api.generations.schemas import ErrorOut, GenerationOut, GenerationStatus
from api.schemas import MediaKind
from api.users.schemas import UserOut
from bots.core.http import API_UNAVAILABLE, BAD_ANSWER
from bots.core.splitting import shorten

YES, NO, CANCEL = "Yes", "No", "Cancel"
WRITING = " …"
"""Behind a streamed answer that is still growing."""

PROMPT_IN_CAPTION = 200
PROMPT_IN_LIST = 60

ERRORS: dict[str, str] = {
    "not_authenticated": "The server does not accept this bot's credential any more. Please tell the operator.",
    "not_allowed": "Your account is not allowed to do that.",
    "reauth_required": "For that, please sign in on the web page and enter your password again.",
    "signup_closed": "New accounts are by invitation only. Please ask the operator for one.",
    "not_found": "I can't find that. It may be gone, or belong to another account.",
    "not_linked": "This chat is not linked to an account yet.",
    "invalid_request": "That did not work: {detail}",
    "option_unsupported": "This model can't do that: {detail}",
    "model_unavailable": "This model is not available: {detail}",
    "budget_exceeded": "Your budget for this month does not cover this.",
    "confirm_cost": "{detail}",
    "price_unknown": "The price of this model is not known, so I can't use it. Please choose another one, or ask the operator.",
    "content_refused": "The model refused this request. Please put it in other words.",
    "provider_unavailable": "The AI provider can't be reached right now. Nothing was charged. Please try again{wait}.",
    "provider_out_of_credit": "The operator's account at the AI provider is out of credit. Nothing was charged. Please tell the operator.",
    "outcome_unknown": "The connection to the AI provider broke, and whether it did the work is not known. I won't repeat it by myself.",
    "timed_out": "The AI provider took too long, so I stopped waiting. Please try again.",
    "rate_limited": "That was a bit fast. Please try again{wait}.",
    "too_many_jobs": "You already have as many jobs running as you may. Wait for one to finish, or stop one with /cancel.",
    "already_finished": "That one has already finished.",
    "conflict": "That does not fit what is there already: {detail}",
    "last_admin": "The last admin has to stay.",
    "setup_done": "Setup is already done.",
    "too_large": "That file is too large for me.",
    "unsupported_media": "I can't use this kind of file. Please send a PNG, JPEG or WebP image.",
    "storage_full": "The server's storage is full. Nothing was charged. Please tell the operator.",
    "still_running": "This takes longer than usual. The result will arrive here when it is ready.",
    API_UNAVAILABLE: "I can't reach my server right now. Please try again in a minute.",
    BAD_ANSWER: "My server answered something I don't understand. Please tell the operator.",
}
"""By the api's error code. `{detail}` is the api's own sentence, `{wait}` is empty or ` in 20 seconds`."""

FAILED: dict[str, str] = {
    "content_refused": "the model refused this request. Try other words.",
    "provider_unavailable": "the AI provider could not be reached.",
    "provider_out_of_credit": "the operator's account at the AI provider is out of credit.",
    "outcome_unknown": "the connection to the AI provider broke, and what became of the job is not known.",
    "timed_out": "the AI provider took too long.",
    "storage_full": "the server's storage is full.",
}
"""Why a job failed, by the code of its error; other codes are told in the api's own words."""


def error(code: str, detail: str, retry_after: float | None = None) -> str:
    sentence = ERRORS.get(code)
    if sentence is None:
        return f"That did not work: {detail}"
    return sentence.format(detail=detail or "no reason was given.", wait=f" in {seconds(retry_after)}" if retry_after else " in a moment")


def over_budget(cost: Decimal | None, balance: Decimal) -> str:
    """`cost` is null when it can't be known in advance."""
    price = "This" if cost is None else f"This would cost about {money(cost)}, which"
    return f"{price} does not fit into your budget: you have {money(max(balance, Decimal(0)))} left this month."


def unexpected(reference: str) -> str:
    return f"Something went wrong on my side. If it happens again, please tell the operator this code: {reference}"


def money(usd: Decimal) -> str:
    """Two decimals, more for small amounts: `$0.04`, `$0.0035`, `$12.50`."""
    places = 2
    while places < 6 and usd != 0 and abs(usd) < Decimal(10) ** (1 - places) and usd != round(usd, places):
        places += 1
    return f"${usd:,.{places}f}"


def seconds(amount: float) -> str:
    """`20 seconds`, `3 minutes`, `2 hours`, rounded up."""
    whole = max(1, int(-(-amount // 1)))
    for size, unit in ((3600, "hour"), (60, "minute")):
        if whole > size:
            return _count(-(-whole // size), unit)
    return _count(whole, "second")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


# --- starting and linking


def how_to_link(public_url: str | None) -> str:
    where = f"Sign in at {public_url}/profile" if public_url else "Sign in on the web page that your operator gave you, open your profile"
    return f"{where}, choose “Link a chat”, and send me the code you get there in a private chat, like this: /link CODE"


def greeting(name: str, public_url: str | None) -> str:
    hello = f"Hello {name}! I make pictures and videos and answer questions."
    return f"{hello}\n\nFirst, let's link this chat to your account. {how_to_link(public_url)}"


def welcome_back(name: str) -> str:
    return f"Hello {name}! Try /image a fox in snow, /video waves at night, or just /ask me something. /help shows everything."


def not_linked(public_url: str | None) -> str:
    return f"{ERRORS['not_linked']} {how_to_link(public_url)}"


CODE_BURNED = (
    "Others can read along here, so that code is not valid any more. Please make a new one on the web and send it to me in a private chat."
)
CODE_USELESS = "This code does not work, or not any more: codes last five minutes and work once. Please make a new one on the web."
ALREADY_LINKED = "This chat is linked to an account already. To use another one, unlink it in your profile on the web first."
LINK_DECLINED = "Not linked. The code is not valid any more."
LINK_ACCEPTED = "Thank you. Now confirm it on the web page where you made the code: it asks whether this chat is you."


UNLINK_QUESTION = (
    "Take this chat off your account? I won't make anything for it from here any more; what you made stays in your gallery on the web, "
    "and what is being made still arrives here."
)
UNLINKED = "Done. This chat is not linked to your account any more."
STILL_LINKED = "All right, everything stays as it is."
NOT_YOURS = "That button is for somebody else."


def privacy(public_url: str | None) -> str:
    where = f"at {public_url}/profile" if public_url else "on your profile on the web page"
    return (
        "I keep what you ask for and what was made from it, which chats are yours, and what it cost, until you delete it. "
        "Prompts and images that you send go to the AI provider that makes the result. Of a group I read only what is meant for me.\n\n"
        f"You can download everything about you, or delete it with your whole account, {where}. /unlink takes this chat off your account."
    )


def link_question(hint: str) -> str:
    return f"Link this chat to {hint}? That account will see what you make here, and pay for it."


NOTICES: dict[str, str] = {
    "needs_review": "The connection broke while {short_id} was being started, and what became of it at the AI provider is not known. "
    "The operator is looking into it; until then its cost is only reserved. You hear from me when it is clear.",
    "linked": "This chat is now linked to {account_hint}. Try /image a fox in snow!",
    "link_conflict": "This chat is already linked to another account. Unlink it there first, then try again.",
    "unlinked": "This chat is not linked to {account_hint} any more. If that was not you, please tell the operator.",
    "chat_unlinked": "The {platform} chat of {name} was unlinked from your account.",
    "link_refused": "Somebody tried to link the {platform} chat of {name}, which is yours, to another account: {account_hint}. "
    "I refused. If it was you, unlink it from your account first.",
}
"""By the code of an api notice; its facts fill the gaps."""


def notice(code: str, facts: dict[str, str]) -> str:
    sentence = NOTICES.get(code)
    if sentence is None:
        return facts.get("text", "There is news about your account. Please look at the web page.")
    return sentence.format_map(_Facts({name: fact.capitalize() if name == "platform" else fact for name, fact in facts.items()}))


class _Facts(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "your account" if key == "account_hint" else "?"


# --- jobs

KINDS: dict[MediaKind, str] = {"image": "image", "video": "video"}
STATES: dict[GenerationStatus, str] = {
    "queued": "waiting",
    "processing": "being made",
    "completed": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def accepted(made: GenerationOut) -> str:
    """The waiting card."""
    lines = [
        f"Making your {KINDS[made.kind]}: “{shorten(made.prompt, PROMPT_IN_CAPTION)}”",
        _facts_line(made, made.estimate_usd, about=True),
    ]
    if made.queue_position is not None and made.queue_position > 1:
        lines.append(f"Place {made.queue_position} in the queue.")
    if made.typical_seconds is not None:
        lines.append(f"Usually takes {_span(*made.typical_seconds)}.")
    return "\n".join(lines)


def caption(made: GenerationOut) -> str:
    """Under a finished result."""
    return f"{shorten(made.prompt, PROMPT_IN_CAPTION)}\n{_facts_line(made, made.cost_usd, about=False)}"


def _facts_line(made: GenerationOut, usd: Decimal | None, about: bool) -> str:
    price = [] if usd is None else [f"about {money(usd)}" if about else money(usd)]
    return " · ".join([made.model_name, *price, made.short_id, *(["sandbox, not a real model"] if made.sandbox else [])])


def _span(least: int, most: int) -> str:
    if most <= 90:
        return f"{least} to {most} seconds" if least < most else seconds(most)
    low, high = max(1, round(least / 60)), max(1, -(-most // 60))
    return f"{low} to {high} minutes" if low < high else seconds(high * 60)


def not_made(made: GenerationOut) -> str:
    """Instead of a result."""
    if made.status == "cancelled":
        return cancelled(made)
    return f"Your {KINDS[made.kind]} {made.short_id} could not be made: {_why(made.error)}{_charged(made)}"


def _why(reason: ErrorOut | None) -> str:
    if reason is None:
        return "no reason was given."
    return FAILED.get(reason.code) or f"{reason.message.rstrip('.')}."


def _charged(made: GenerationOut) -> str:
    """A cancelled job that had begun, or one whose outcome is unknown, may still cost something: no promise then."""
    if made.cost_usd:
        return f" It cost {money(made.cost_usd)}."
    if made.status == "cancelled" and made.started_at is not None and made.cost_usd is None:
        return " The model had begun already, so it may still be charged."
    return "" if made.error is not None and made.error.code == "outcome_unknown" else " Nothing was charged."


def card_closed(made: GenerationOut) -> str:
    """What the waiting card becomes."""
    word = {"completed": "Done", "failed": "Failed", "cancelled": "Cancelled"}.get(made.status, "Done")
    return f"{word}: {KINDS[made.kind]} {made.short_id}"


def too_large_to_send(made: GenerationOut, public_url: str | None) -> str:
    return f"The {KINDS[made.kind]} is too large to send in this chat. You find it {_in_gallery(made, public_url)}"


def _in_gallery(made: GenerationOut, public_url: str | None) -> str:
    return f"here: {public_url}/gallery/{made.id}" if public_url else "in your gallery on the web page."


def not_sendable(made: GenerationOut, public_url: str | None) -> str:
    return f"This chat does not take the {KINDS[made.kind]}. You find it {_in_gallery(made, public_url)}"


def cancelled(made: GenerationOut) -> str:
    return f"Cancelled: {KINDS[made.kind]} {made.short_id}.{_charged(made)}"


NOTHING_RUNS = "Nothing is running right now."
NO_JOBS = "You have not made anything yet. Try /image a fox in snow."


def jobs(made: Sequence[GenerationOut]) -> str:
    return "Your last jobs:\n" + "\n".join(_job(one) for one in made)


def _job(made: GenerationOut) -> str:
    cost = "" if made.cost_usd is None else f" · {money(made.cost_usd)}"
    return f"{made.short_id} · {KINDS[made.kind]} · {STATES[made.status]}{cost} · {shorten(made.prompt, PROMPT_IN_LIST)}"


def balance(user: UserOut) -> str:
    left = max(user.monthly_usd - user.spent_usd - user.held_usd, Decimal(0))
    held = f", {money(user.held_usd)} is reserved for running jobs" if user.held_usd else ""
    return f"You have {money(left)} of {money(user.monthly_usd)} left this month. Spent: {money(user.spent_usd)}{held}."


# --- asking and mistakes

NEW_CONVERSATION = "A new conversation. Your next /ask begins it; the old one is kept on the web page."
ASK_WHAT = "What would you like to know? For example: /ask Why is the sky blue?"
IMAGE_WHAT = "What shall I draw? For example: /image a fox in snow --ar 16:9"
VIDEO_WHAT = "What shall I film? For example: /video waves at night --duration 5"
EMPTY_ANSWER = "The model gave no answer. Please try again."
NO_IMAGE_ATTACHED = "Only images can be the start of a video. Please attach a PNG, JPEG or WebP image."


def cut_short(text: str, why: str) -> str:
    """A streamed answer that broke off; `text` may be empty."""
    return f"{text}\n\n[The answer stops here. {why}]" if text else why


def unknown_command(name: str) -> str:
    return f"I don't know /{name}. /help shows what I can do."


def help_page(commands: Sequence[tuple[str, str]]) -> str:
    """`commands`: usage and description of each."""
    lines = [f"{usage}: {description}" for usage, description in commands]
    return "\n".join(["This is what I can do:", *lines, "", OPTIONS_HINT])


OPTIONS_HINT = (
    "Options go behind the prompt: --ar 16:9, --n 2, --seed 7, --size 1024x1024, --model name.\n"
    "For videos also: --duration 8, --res 720p, --audio."
)


def option_unknown(flag: str, known: Sequence[str], near: str | None) -> str:
    meant = f" Did you mean --{near}?" if near else f" I know {', '.join(f'--{name}' for name in known)}."
    return f"I don't know the option --{flag}.{meant}"


def option_needs_value(flag: str, example: str) -> str:
    return f"The option --{flag} needs a value, such as --{flag} {example}."


def option_bad_value(flag: str, value: str, expected: str) -> str:
    return f"--{flag} should be {expected}, not “{shorten(value, 40)}”."


def option_twice(flag: str) -> str:
    return f"The option --{flag} is there twice."


def model_not_found(said: str, names: Sequence[str]) -> str:
    offered = f" There are: {', '.join(names)}." if names else ""
    return f"I don't know the model “{shorten(said, 40)}”.{offered}"


def model_ambiguous(said: str, names: Sequence[str]) -> str:
    return f"“{shorten(said, 40)}” could be {' or '.join(names)}. Please name one of them."


def prompt_too_long(length: int, most: int) -> str:
    return f"That is {length:,} characters; a prompt may have {most:,}. Please shorten it."


def bad_field(field: str, reason: str) -> str:
    return f"{field.replace('_', ' ').capitalize()}: {reason[:1].lower()}{reason[1:]}."
