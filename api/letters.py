"""The mails that people get: sentences in each language, and one shape as text and as HTML.

The HTML names no picture and no style from elsewhere. It sets no colour of text or ground, so that
a dark mail program shows it dark; only the button has colours of its own, both of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal, get_args

Occasion = Literal["invite", "reset", "forgot"]
LetterLanguage = Literal["en", "de"]

SENDER = "All You Can GET AI"


@dataclass(frozen=True, slots=True)
class Words:
    subject: str
    lead: str
    button: str
    ending: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail without its addresses."""

    subject: str
    text: str
    html: str


WORDS: Mapping[LetterLanguage, Mapping[Occasion, Words]] = {
    "en": {
        "invite": Words(
            f"Your invitation to {SENDER}",
            f"You are invited to {SENDER}: text, images and videos, made with you.",
            "Choose a password",
            "The link works once, within 7 days.",
        ),
        "reset": Words(
            f"A new password for {SENDER}",
            "An admin has made a link with which you choose a new password.",
            "Choose a new password",
            "The link works once, within an hour. If you did not ask for it, tell your admin.",
        ),
        "forgot": Words(
            f"A new password for {SENDER}",
            "Somebody, most likely you, asked for a new password for this address.",
            "Choose a new password",
            "The link works once, within an hour. If it was not you, you need not do anything: "
            "your password stays as it is.",
        ),
    },
    "de": {
        "invite": Words(
            f"Deine Einladung zu {SENDER}",
            f"Du bist zu {SENDER} eingeladen: Texte, Bilder und Videos, mit dir gemacht.",
            "Passwort wählen",
            "Der Link gilt einmal, innerhalb von 7 Tagen.",
        ),
        "reset": Words(
            f"Ein neues Passwort für {SENDER}",
            "Ein Admin hat einen Link angelegt, mit dem du ein neues Passwort wählst.",
            "Neues Passwort wählen",
            "Der Link gilt einmal, innerhalb einer Stunde. Wenn du nicht darum gebeten hast, sag "
            "es deinem Admin.",
        ),
        "forgot": Words(
            f"Ein neues Passwort für {SENDER}",
            "Jemand, wahrscheinlich du, hat ein neues Passwort für diese Adresse verlangt.",
            "Neues Passwort wählen",
            "Der Link gilt einmal, innerhalb einer Stunde. Wenn du es nicht warst, musst du nichts "
            "tun: Dein Passwort bleibt, wie es ist.",
        ),
    },
}
_OTHERWISE: Mapping[LetterLanguage, str] = {
    "en": "If the button does nothing, open this address:",
    "de": "Falls der Knopf nichts tut, öffne diese Adresse:",
}
_HTML = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{subject}</title>
</head>
<body style="margin: 0; padding: 24px; font: 16px/1.5 system-ui, 'Segoe UI', Arial, sans-serif">
<div style="max-width: 34em; margin: 0 auto">
<p style="font-weight: 600">{sender}</p>
<p>{lead}</p>
<p style="margin: 28px 0"><a href="{link}" style="display: inline-block; padding: 12px 20px;
border-radius: 8px; background: #1f5fae; color: #ffffff; font-weight: 600; text-decoration: none">\
{button}</a></p>
<p>{ending}</p>
<p style="font-size: 14px">{otherwise}<br>
<a href="{link}" style="color: inherit; word-break: break-all">{link}</a></p>
</div>
</body>
</html>
"""


def letter(occasion: Occasion, language: str, link: str) -> Letter:
    """Return the mail in this language, or in English where there is no such language."""
    known: LetterLanguage = next((one for one in get_args(LetterLanguage) if one == language), "en")
    words = WORDS[known][occasion]
    shown = {
        "language": known,
        "sender": SENDER,
        "subject": words.subject,
        "lead": words.lead,
        "button": words.button,
        "ending": words.ending,
        "otherwise": _OTHERWISE[known],
        "link": link,
    }
    return Letter(
        words.subject,
        f"{words.lead}\n\n{words.button}:\n{link}\n\n{words.ending}\n",
        _HTML.format_map({name: escape(value) for name, value in shown.items()}),
    )
