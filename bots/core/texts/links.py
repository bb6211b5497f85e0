"""Sentences of the greeting, of the link between a chat and an account, and of notices about it."""

from decimal import Decimal

from bots.core.language import _, sentence
from bots.core.texts.errors import voice
from bots.core.texts.words import money
from client.words.errors import OF_CODE, known, of_reason
from client.words.language import N_

yes = sentence("Yes")
no = sentence("No")


def how_to_link(public_url: str | None) -> str:
    if public_url:
        return _(
            "Sign in at %(url)s/profile, choose “Link a chat”, and send me the code you get there "
            "in a private chat, like this: /link CODE",
            url=public_url,
        )
    return _(
        "Sign in on the web page that your operator gave you, open your profile, choose “Link a "
        "chat”, and send me the code you get there in a private chat, like this: /link CODE"
    )


def greeting(name: str, public_url: str | None) -> str:
    hello = _("Hello %(name)s! I make pictures and videos and answer questions.", name=name)
    first = _("First, let us link this chat to your account.")
    return f"{hello}\n\n{first} {how_to_link(public_url)}"


def welcome_back(name: str) -> str:
    return _(
        "Hello %(name)s! Try /image a fox in snow, /video waves at night, or just ask me "
        "something. /help shows everything.",
        name=name,
    )


def not_linked(public_url: str | None) -> str:
    return f"{of_reason(voice(), 'chat_not_linked', {})} {how_to_link(public_url)}"


ask_to_join = sentence("Ask to join")
join_approve = sentence("Approve")
join_decline = sentence("Decline")
join_approved = sentence("You let this person in, as a guest.")
join_declined = sentence("You declined this request.")
join_over = sentence("This request is decided already.")
join_asked = sentence("I asked the admins. You hear from me when they have decided.")
join_waits = sentence("You have asked already. You hear from me when the admins have decided.")
join_refused = sentence("The admins have declined this. Please ask them yourself.")
join_member = sentence("You can use me already.")


code_burned = sentence(
    "Others can read along here, so that code is not valid any more. "
    "Please make a new one on the web and send it to me in a private chat."
)
code_useless = sentence(
    "This code does not work, or not any more: codes last five minutes and work once. Please "
    "make a new one on the web."
)
already_linked = sentence(
    "This chat is linked to an account already. To use another one, unlink it in your profile "
    "on the web first."
)


def link_question(hint: str) -> str:
    return _(
        "Link this chat to %(account)s? That account will see what you make here, and pay for it.",
        account=hint,
    )


link_declined = sentence("Not linked. The code is not valid any more.")
link_accepted = sentence(
    "Thank you. Now confirm it on the web page where you made the code: it asks whether this "
    "chat is you."
)
unlink_question = sentence(
    "Take this chat off your account? I won't make anything for it from here any more; what you "
    "made stays in your gallery on the web, and what is being made still arrives here."
)
unlinked = sentence("Done. This chat is not linked to your account any more.")
still_linked = sentence("All right, everything stays as it is.")
guest = sentence(
    "You are a guest: your account belongs to this chat alone. /privacy downloads or deletes "
    "everything; /link joins it to an account."
)
guest_now = sentence(
    "You are a guest here. /balance says what you have, /privacy how to download or delete "
    "everything."
)
export_button = sentence("⬇️ Download everything")
erase_button = sentence("🗑️ Delete everything")


def privacy_of_guest() -> str:
    yours = _("You are a guest: nobody can sign in for you, so you get and delete everything here.")
    return f"{_kept()}\n\n{yours}"


erase_question = sentence(
    "Delete everything that you wrote to me and that I made for you, for good?"
)
erased = sentence(
    "All of it is deleted. I only keep which chat this is and what was spent, so that your "
    "budget stays what it is."
)
export_too_large = sentence(
    "What you have is too large for this chat. Link this chat to an account: its profile on "
    "the web has a download without a limit."
)
only_in_private = sentence("Others can read along here. Please ask me for that in our own chat.")
_kept = sentence(
    "I keep what you ask for and what was made from it, which chats are yours, and what it cost, "
    "until you delete it. What you write, send and say goes to the AI provider that makes the "
    "result; recordings are not kept. Of a group I read only what is meant for me."
)


def privacy(public_url: str | None) -> str:
    if public_url:
        yours = _(
            "You can download everything about you, or delete it with your whole account, at "
            "%(url)s/profile. /unlink takes this chat off your account.",
            url=public_url,
        )
    else:
        yours = _(
            "You can download everything about you, or delete it with your whole account, on your "
            "profile on the web page. /unlink takes this chat off your account."
        )
    return f"{_kept()}\n\n{yours}"


NOTICES: dict[str, str] = {
    "needs_review": N_(
        "The connection broke while %(short_id)s was being started, and what became of it at the "
        "AI provider is not known. The operator is looking into it; until then its cost is only "
        "reserved. You hear from me when it is clear."
    ),
    "report": N_("%(name)s asks you to look at this: %(why)s"),
    "broadcast": N_("A message from the operator of this studio:\n\n%(text)s"),
    "budget_own_80": N_(
        "You have spent %(spent_usd)s of your %(limit_usd)s for this month. /balance shows what is "
        "left."
    ),
    "budget_own_100": N_(
        "Your budget for this month is used up: %(spent_usd)s of %(limit_usd)s. It begins anew "
        "with the next month."
    ),
    "budget_place_80": N_(
        "This chat has spent %(spent_usd)s of its %(limit_usd)s for this month. Its admins see "
        "/studio."
    ),
    "budget_place_100": N_(
        "The budget of this chat for this month is used up: %(spent_usd)s of %(limit_usd)s. Its "
        "admins see /studio."
    ),
    "digest": N_(
        "The studio in the last %(days)s days (digest, see /settings)\n"
        "Spent: %(spent_usd)s\nFailed: %(failed)s\nNot delivered: %(undelivered)s\n"
        "Requests to join that wait: %(waiting)s"
    ),
    "join_asked": N_("%(name)s asks to join (%(where)s). May they use me, as a guest?"),
    "join_approved": N_("%(name)s, an admin let you in. Try /image a fox in snow!"),
    "join_declined": N_("%(name)s, the admins did not let you in."),
    "linked": N_("This chat is now linked to %(account_hint)s. Try /image a fox in snow!"),
    "link_conflict": N_(
        "This chat is already linked to another account. Unlink it there first, then try again."
    ),
    "unlinked": N_(
        "This chat is not linked to %(account_hint)s any more. If that was not you, please tell "
        "the operator."
    ),
    "chat_unlinked": N_("The %(platform)s chat of %(name)s was unlinked from your account."),
    "link_refused": N_(
        "Somebody tried to link the %(platform)s chat of %(name)s, which is yours, to another "
        "account: %(account_hint)s. I refused. If it was you, unlink it from your account first."
    ),
}
"""Sentences by the code of a notice of the API, whose facts fill the gaps."""


def notice(code: str, facts: dict[str, str]) -> str:
    words = NOTICES.get(code)
    if words is None:
        return facts.get(
            "text", _("There is news about your account. Please look at the web page.")
        )
    about = f"(#{facts['short_id']})" if facts.get("short_id") else ""
    why = f"{_of_reason(facts.get('reason', ''))} {about}".strip()
    where = f"{facts.get('platform', '').capitalize()} {facts.get('place', '')}".strip()
    known = dict.fromkeys(("platform", "name", "short_id"), "?")
    known |= {"why": why, "where": where, "account_hint": _("your account"), "text": ""}
    told = {name: _told(name, fact) for name, fact in facts.items()}
    return _(words, **(known | told))


def _told(name: str, fact: str) -> str:
    if name.endswith("_usd"):
        return money(Decimal(fact))
    return fact.capitalize() if name == "platform" else fact


def _of_reason(reason: str) -> str:
    """A report may name any reason, or an error's code."""
    found = known(reason)
    if found is None:
        return voice().say(OF_CODE.get(reason, reason))
    return of_reason(voice(), found, {} if found == "earlier" else {"said": "…"})
