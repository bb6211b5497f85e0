"""Sentences about the findings of a check-up: the fact, and the act where one is due."""

from client.schemas.check_up import Finding, FindingOut, Subject
from client.words import errors
from client.words.errors import Voice
from client.words.language import N_

SUBJECTS: dict[Subject, str] = {
    "settings": N_("Settings"),
    "version": N_("Version"),
    "api": N_("API"),
    "web": N_("Web"),
    "sandbox": N_("Sandbox"),
    "database": N_("Database"),
    "media": N_("Files"),
    "disk": N_("Disk"),
    "clock": N_("Clock"),
    "provider": N_("AI provider"),
    "credit": N_("Credit"),
    "mail": N_("Mail"),
    "public_url": N_("Public address"),
    "public_api_url": N_("Public address of the API"),
    "backup": N_("Backup"),
    "bots": N_("Bots"),
    "telegram": "Telegram",
    "discord": "Discord",
    "terminal": N_("Terminal"),
}
SENTENCES: dict[Finding, str] = {
    "settings_read": N_("All can be read."),
    "setting_wrong": N_("%(said)s."),
    "version_here": N_("%(version)s, on Python %(python)s."),
    "version_differs": N_(
        "%(running)s runs, and the files here are of %(version)s: start everything anew."
    ),
    "runs": N_("It answers at %(url)s."),
    "runs_not": N_("It does not run: nobody listens at %(url)s."),
    "port_taken": N_("Another program has %(url)s: stop that program, or set another %(setting)s."),
    "database_answers": N_(
        "%(engine)s %(version)s with %(size_mb)s MB reads in %(read_ms)s ms and writes in "
        "%(write_ms)s ms."
    ),
    "database_slow": N_(
        "%(engine)s %(version)s is slow: it reads in %(read_ms)s ms and writes in %(write_ms)s ms. "
        "Look at the load of its machine and at its disk."
    ),
    "database_new": N_("There is none yet: the first start makes it."),
    "database_waits": N_(
        "It is older than this version: the next start applies %(count)s migrations."
    ),
    "media_works": N_("A file was written, read and deleted in %(ms)s ms, at %(where)s."),
    "media_waiting": N_(
        "%(waiting)s files wait on this machine's disk until the store takes them."
    ),
    "media_shared": N_(
        "%(others)s other installations use the same store: give each its own MEDIA_URL."
    ),
    "disk_has_room": N_("%(free_mb)s MB are free."),
    "disk_nearly_full": N_("%(free_mb)s MB are free. Delete old jobs, or make room."),
    "disk_full": N_(
        "%(free_mb)s MB are free. Below %(floor_mb)s MB nothing is made or answered: make room."
    ),
    "clock_right": N_("It agrees with %(host)s."),
    "clock_wrong": N_(
        "It differs by %(seconds)s s from %(host)s: set it, and let a time service keep it right."
    ),
    "clock_not_compared": N_("There is no other machine to compare it with."),
    "provider_works": N_("%(host)s takes the key."),
    "provider_is_sandbox": N_(
        "The sandbox makes samples. Set OPENROUTER_API_KEY for real results."
    ),
    "credit_left": N_("%(left_usd)s are left."),
    "credit_low": N_("%(left_usd)s are left. Top the account up before it runs out."),
    "credit_used_up": N_("Nothing is left. Top the account up at the provider."),
    "credit_without_limit": N_("The key has no limit of its own."),
    "key_ends": N_("The key ends in %(days)s days: make a new one and set OPENROUTER_API_KEY."),
    "mail_works": N_("%(server)s lets us in. No mail was sent."),
    "mail_off": N_("SMTP_HOST is not set: admins pass links on by hand."),
    "address_works": N_("%(url)s leads here."),
    "address_unset": N_(
        "PUBLIC_URL is not set: links in chats work on this machine only, and there is no https."
    ),
    "address_of_others": N_(
        "%(url)s answers with status %(status)s, and not as this installation: look at the proxy "
        "and at the name's address."
    ),
    "backup_new": N_("The newest is %(hours)s hours old."),
    "backup_old": N_(
        "The newest is %(hours)s hours old, older than BACKUP_HOURS allows: look at the log, or "
        "make one with ./run backup."
    ),
    "backup_missing": N_("There is none yet. One is made every %(hours)s hours."),
    "backup_off": N_("None is made by itself, because BACKUP_HOURS is 0."),
    "bot_connected": N_("The bot is connected."),
    "bot_away": N_("The bot was here %(minutes)s minutes ago and is not connected now: start it."),
    "token_works": N_("The platform takes the token of %(name)s."),
    "token_unset": N_("%(setting)s is not set, so there is no bot."),
    "token_refused": N_("The platform refuses %(setting)s: copy the token anew."),
    "webhook_set": N_(
        "Telegram brings updates to a webhook elsewhere, so nothing comes when the bot asks. "
        "Starting the bot removes it."
    ),
    "webhook_fails": N_("Telegram cannot bring updates: %(said)s."),
    "intent_missing": N_(
        "The Message Content Intent is off, so in servers only messages that mention the bot are "
        "heard: switch it on in the developer portal, page Bot."
    ),
    "no_answer": N_("No answer within %(seconds)s s."),
    "refused": "",
    "failed": N_("It does not work: %(said)s."),
}


def subject(voice: Voice, name: Subject) -> str:
    return voice.say(SUBJECTS[name])


def sentence(voice: Voice, found: FindingOut) -> str:
    """Return the sentence of a finding."""
    if found.reason is not None:
        return errors.of_reason(voice, found.reason, found.params)
    params = {name: _fact(voice, name, value) for name, value in found.params.items()}
    return voice.say(SENTENCES[found.finding], **params)


def _fact(voice: Voice, name: str, value: str | int) -> str | int:
    if name == "said":
        return str(value).rstrip(".")
    return errors.fact(voice, name, value)
