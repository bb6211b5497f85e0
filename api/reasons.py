"""The closed reasons of every error, by its code, and the English sentence of each.

A reason is a fact that a program can act on. `%(name)s` in its sentence are its params: names that
end in `_usd` are amounts in dollars, `said` is quoted from the provider, a store or a platform, and
the others are numbers, ids and names. Reasons of `Making` come with several codes, all others with
one.
"""

from decimal import Decimal
from typing import Literal, cast, get_args

from api import document_reasons as documents
from api.making_sentences import MAKING_SENTENCES
from api.making_sentences import Making as Making  # noqa: PLC0414  (they are reasons, too)

Param = str | int | Decimal


class Facts(dict[str, object]):
    """The params of a reason as they stand in its sentence; a missing one is a dash."""

    def __missing__(self, name: str) -> str:
        return "–"


NotAuthenticatedReason = Literal[
    "account_unusable",
    "bot_credential_wrong",
    "chat_unlinked",
    "credentials_wrong",
    "media_link_expired",
    "session_ended",
    "sign_in_first",
    "sign_in_again",
    "sign_in_refused",
    "signature_wrong",
    "token_reused",
]
NotAllowedReason = Literal[
    "account_disabled",
    "admins_only",
    "card_of_other_chat",
    "guests_by_server",
    "kind_off_here",
    "linked_only_here",
    "not_by_chat",
    "result_to_other_chat",
    "setup_link_wrong",
    "sign_in_not_by_chat",
    "unlinks_itself_only",
    "words_not_here",
]
ReauthRequiredReason = Literal["password_needed"]
SignupClosedReason = Literal["invitation_needed"]
NotFoundReason = Literal[
    "account_gone",
    "account_unknown",
    "address_unknown",
    "answer_unknown",
    "backup_unknown",
    "bot_credential_unknown",
    "broadcast_unknown",
    "code_not_valid",
    "code_unknown",
    "conversation_unknown",
    "delivery_unknown",
    "delivery_without_generation",
    "draft_gone",
    "file_gone",
    "file_unknown",
    "generation_unknown",
    "generations_not_finished",
    "generations_unknown",
    "image_gone",
    "image_unknown",
    "invitation_not_valid",
    "join_unknown",
    "link_unknown",
    "mail_off",
    "message_unknown",
    "model_unknown_id",
    "nothing_shown_yet",
    "place_unknown",
    "reset_not_valid",
    "session_unknown",
    "share_gone",
    "share_unknown",
    "webhooks_off",
]
NotLinkedReason = Literal["chat_not_linked", "link_first"]
InvalidRequestReason = Literal[
    documents.DocumentInvalid,
    "address_leads_on",
    "address_not_fetched",
    "address_not_https",
    "address_not_mailable",
    "address_not_plain",
    "address_not_text",
    "blank",
    "body_unreadable",
    "conversation_of_bots",
    "cursor_not_valid",
    "cursor_of_other_list",
    "days_unknown",
    "default_elsewhere",
    "fields_wrong",
    "kind_needed",
    "model_reads_less",
    "model_unknown_here",
    "not_of_provider",
    "nothing_to_read",
    "one_image_only",
    "password_common",
    "password_long",
    "password_named",
    "password_repeats",
    "password_run",
    "password_short",
    "password_wrong",
    "provider_id_alone",
    "request_wrong",
    "text_or_answer",
    "too_long_to_read",
    "too_many_days",
    "two_sizes",
    "zone_unknown",
]
OptionUnsupportedReason = Literal["option_not_of_kind", "option_unknown", "option_value"]
ModelUnavailableReason = Literal[
    "model_ambiguous",
    "model_not_here",
    "model_of_others",
    "model_off",
    "model_other_kind",
    "model_unknown",
    "models_not_read",
]
BudgetExceededReason = Literal[
    "budget_in_place_today",
    "budget_of_admins",
    "budget_of_guests",
    "budget_of_place",
    "budget_of_server",
    "budget_of_users",
    "budget_own",
    "budget_spent",
]
PriceUnknownReason = Literal["price_not_known"]
ConfirmCostReason = Literal["cost_above_wish"]
RateLimitedReason = Literal[
    "codes_too_many",
    "codes_wrong_too_often",
    "joins_too_many",
    "reported_already",
    "tries_too_many",
]
TooManyJobsReason = Literal["jobs_too_many"]
AlreadyFinishedReason = Literal["finished_before"]
ConflictReason = Literal[
    "account_in_use",
    "account_is_disabled",
    "account_switched_off",
    "account_without_password",
    "answered_already",
    "asked_at_same_moment",
    "backup_failed",
    "backup_running",
    "broadcast_over",
    "chat_linked_already",
    "chat_of_other_account",
    "chat_unlinked_just_now",
    "code_not_confirmed",
    "code_not_redeemed",
    "copy_being_made",
    "default_not_usable",
    "delivery_gone",
    "delivery_moved_on",
    "delivery_over",
    "delivery_shown_now",
    "email_taken",
    "email_unknown",
    "guest_no_admin",
    "guest_of_chat",
    "key_of_other_request",
    "lease_lost",
    "model_listed_already",
    "not_finished",
    "not_over",
    "not_refundable",
    "not_repeatable",
    "outcome_known",
    "owner_without_chat",
    "sent_at_same_moment",
    "still_being_made",
]
LastAdminReason = Literal["last_admin_stays"]
SetupDoneReason = Literal["admin_exists"]
TooLargeReason = Literal[
    documents.DocumentTooLarge,
    "copy_not_made",
    "file_too_large",
    "memory_short",
    "pixels_too_many",
    "recording_too_long",
    "request_too_large",
    "scans_too_many",
    "video_too_long",
]
UnsupportedMediaReason = Literal[
    documents.DocumentUnread,
    "image_damaged",
    "image_unreadable",
    "recording_silent",
    "recording_unreadable",
]
StatusReason = Literal[
    "database_away", "method_unknown", "range_unknown", "request_too_slow", "unexpected"
]
"""Reasons of errors that no service raises."""
CheckReason = Literal["database_said", "disk_low", "files_waiting", "work_fails"]
"""Findings of `/readyz`, beside reasons of errors."""

MAKING: frozenset[str] = frozenset(get_args(Making))

Reason = Literal[
    AlreadyFinishedReason,
    BudgetExceededReason,
    CheckReason,
    ConfirmCostReason,
    ConflictReason,
    InvalidRequestReason,
    LastAdminReason,
    Making,
    ModelUnavailableReason,
    NotAllowedReason,
    NotAuthenticatedReason,
    NotFoundReason,
    NotLinkedReason,
    OptionUnsupportedReason,
    PriceUnknownReason,
    RateLimitedReason,
    ReauthRequiredReason,
    SetupDoneReason,
    SignupClosedReason,
    StatusReason,
    TooLargeReason,
    TooManyJobsReason,
    UnsupportedMediaReason,
]

_ASK_ADMIN = "Ask an admin for a new one."
_AGAIN = "Start again without it."
_COST = "This can cost up to %(cost_usd)s, and"
_LEFT = "for this month has %(left_usd)s left."
_OTHER_WORDS = "Several words that do not belong together are good."

NOT_REPEATED = "Whether the AI provider did the work is not known, so it is not repeated."
"""Said after the reason of an `outcome_unknown`."""
NO_REASON = "The reason is not known any more."
"""Said of `earlier` without words."""

SENTENCES: dict[Reason, str] = {
    **documents.SENTENCES,
    "account_unusable": "This account cannot be used.",
    "bot_credential_wrong": "This bot credential is not valid.",
    "chat_unlinked": "This chat is not linked any more.",
    "credentials_wrong": "E-mail address or password is not right.",
    "media_link_expired": "This link is not valid any more. Open the page again for a fresh one.",
    "session_ended": "This session has ended. Sign in again.",
    "sign_in_first": "Sign in first.",
    "sign_in_again": "Sign in again.",
    "sign_in_refused": "This account cannot sign in.",
    "signature_wrong": "The signature does not fit.",
    "token_reused": "This session was ended because its token was used twice. Sign in again.",
    "account_disabled": "This account is disabled.",
    "admins_only": "Only admins can do this.",
    "card_of_other_chat": "Only the chat that asked can show the card.",
    "guests_by_server": (
        "Only an admin of the server can let guests in here, on its web page under Admin > Places."
    ),
    "kind_off_here": "The admins of this chat have switched this off here (%(kind)s).",
    "linked_only_here": "Here only people with an account can use the bot.",
    "not_by_chat": "A chat cannot do this. Use the web page.",
    "result_to_other_chat": "Results can only be sent to the chat that asked.",
    "setup_link_wrong": (
        "The setup link is not valid. The one that counts was printed at the first start."
    ),
    "sign_in_not_by_chat": "A chat cannot change how you sign in. Use the web page.",
    "unlinks_itself_only": "A chat can only unlink itself. Use the web page.",
    "words_not_here": (
        "That is not for this chat: its admins have blocked some words. Please put it in other "
        "words, or ask in a private chat."
    ),
    "password_needed": "Enter your password again to go on.",
    "invitation_needed": "New accounts are made by an admin here. Ask for an invitation.",
    "account_gone": "This account does not exist any more.",
    "account_unknown": "There is no such account.",
    "address_unknown": "There is nothing at this address.",
    "answer_unknown": "There is no such answer among yours.",
    "backup_unknown": "There is no such backup.",
    "bot_credential_unknown": "There is no such credential, or it was revoked before.",
    "broadcast_unknown": "There is no broadcast with this id.",
    "code_not_valid": "This code is not valid (any more). Make a new one on the web page.",
    "code_unknown": "There is no such code.",
    "conversation_unknown": "There is no such conversation among yours.",
    "delivery_unknown": "There is no delivery with this id.",
    "delivery_without_generation": "This delivery is about no generation.",
    "draft_gone": "There is nothing to confirm any more. Please ask again.",
    "file_gone": "This file is not there any more.",
    "file_unknown": "There is no such file among yours.",
    "generation_unknown": "There is no generation with this id.",
    "generations_not_finished": "None of these is a finished image or video of yours.",
    "generations_unknown": "None of these is yours.",
    "image_gone": "This image is not there any more.",
    "image_unknown": "There is no such image among yours.",
    "invitation_not_valid": f"This invitation is not valid (any more). {_ASK_ADMIN}",
    "join_unknown": "This request was decided already, or is too old.",
    "link_unknown": "This chat is not linked to your account.",
    "mail_off": "This studio sends no mail. Ask an admin for a reset link.",
    "message_unknown": "There is no such message in your inbox.",
    "model_unknown_id": "There is no model “%(model)s”.",
    "nothing_shown_yet": "There is nothing to show yet.",
    "place_unknown": "There is no such place.",
    "reset_not_valid": f"This link is not valid (any more). {_ASK_ADMIN}",
    "session_unknown": "There is no such session.",
    "share_gone": "This link does not work any more.",
    "share_unknown": "There is no such link.",
    "webhooks_off": "Webhooks are switched off.",
    "chat_not_linked": "This chat is not linked to an account yet.",
    "link_first": "Link this chat to your account first.",
    "address_leads_on": "The address leads on and on.",
    "address_not_fetched": "The image could not be fetched from this address.",
    "address_not_https": "This is not an https address.",
    "address_not_mailable": "The mail server here cannot send to an address with letters such as ä "
    "or é before the @. Use another one.",
    "address_not_plain": "The address needs a name, and may hold no port, user or password.",
    "address_not_text": "The address holds characters that are not text.",
    "blank": "The name must not be blank.",
    "body_unreadable": "The body of the request cannot be read.",
    "conversation_of_bots": (
        "Only a bot that acts in a chat can speak of the chat's conversation."
    ),
    "cursor_not_valid": f"This cursor is not valid any more. {_AGAIN}",
    "cursor_of_other_list": f"This cursor belongs to another list. {_AGAIN}",
    "days_unknown": "There are no such days.",
    "default_elsewhere": "Make another model the default instead.",
    "fields_wrong": "Some fields of the request are not valid.",
    "kind_needed": "Models of several kinds have this name. Please say which kind.",
    "model_reads_less": "This is too long for %(model)s.",
    "model_unknown_here": "No model here is called %(model)s.",
    "not_of_provider": "This is not an event of the provider.",
    "nothing_to_read": "There are no words in this that can be read aloud.",
    "one_image_only": "Give exactly one of image_url and image_id.",
    "password_common": (
        "This password is among the first that are guessed: it is a common one with little added. "
        + _OTHER_WORDS
    ),
    "password_long": "The password must have at most %(most)s bytes.",
    "password_named": (
        "This password is mostly a name that others know: yours, this server's or this product's."
    ),
    "password_repeats": f"This password repeats itself. {_OTHER_WORDS}",
    "password_run": f"This password follows the keyboard or the alphabet. {_OTHER_WORDS}",
    "password_short": "The password must have at least %(least)s characters.",
    "password_wrong": "The current password is not right.",
    "provider_id_alone": ("Give the provider's id with the outcome provider_id, and only with it."),
    "request_wrong": "The request cannot be answered.",
    "text_or_answer": "Give either a text or an answer, not both.",
    "too_long_to_read": "Texts of up to %(most)s characters are read aloud; this one is longer.",
    "too_many_days": "Choose at most %(most)s days, of this century.",
    "two_sizes": "Give either a size in pixels, or an aspect ratio and a resolution: not both.",
    "zone_unknown": "This time zone is not known. They are called such as Europe/Berlin.",
    "option_not_of_kind": "This kind of generation has no option %(option)s.",
    "option_unknown": "%(model)s does not take the option %(option)s.",
    "option_value": "%(model)s does not take %(option)s like that.",
    "model_ambiguous": ("Several models are called “%(model)s”. Please say which one."),
    "model_of_others": "The operator keeps %(name)s for others.",
    "model_not_here": "%(model)s is not among the models of this chat.",
    "model_off": "The operator has switched %(name)s off.",
    "model_other_kind": "%(name)s makes %(makes)s, not %(kind)s.",
    "model_unknown": "There is no %(kind)s model “%(model)s”.",
    "models_not_read": (
        "There is no %(kind)s model yet: the provider's lists could not be read so far."
    ),
    "budget_in_place_today": (
        f"{_COST} what each person may spend in this chat today has %(left_usd)s of %(limit_usd)s "
        "left."
    ),
    "budget_of_admins": f"{_COST} the budget of all admins together {_LEFT}",
    "budget_of_guests": f"{_COST} the budget of all guests together {_LEFT}",
    "budget_of_server": f"{_COST} this server's budget {_LEFT}",
    "budget_of_users": f"{_COST} the budget of all users together {_LEFT}",
    "budget_of_place": f"{_COST} the budget of this chat {_LEFT}",
    "budget_own": (f"{_COST} your budget for this month has %(left_usd)s of %(limit_usd)s left."),
    "budget_spent": (
        "Earlier work cost more than was expected, and your budget for this month is used up."
    ),
    "price_not_known": (
        "The price of %(model)s is not known, so it cannot be used before an admin sets one."
    ),
    "cost_above_wish": (
        "This can cost up to %(cost_usd)s, more than you want to spend without being asked."
    ),
    "codes_too_many": "That were many codes. Please wait before you make another.",
    "codes_wrong_too_often": "That were many wrong codes. Please wait before you try another.",
    "joins_too_many": "Too many people have asked just now. Please ask again later.",
    "reported_already": "The admins know it already.",
    "tries_too_many": "That were many tries. Please wait before the next one.",
    "jobs_too_many": "You have %(most)s jobs under way. Wait for one, or cancel one.",
    "finished_before": "%(short_id)s is finished already.",
    "account_in_use": "This account is in use already. A password reset gives it a new password.",
    "account_is_disabled": "This account is disabled. An admin can enable it.",
    "account_switched_off": "This account was switched off just now.",
    "account_without_password": (
        "This account has no password to reset: it is a guest's, still invited, or disabled."
    ),
    "answered_already": "This is being answered already.",
    "asked_at_same_moment": "This was asked for at the same moment. Please try again.",
    "backup_failed": "The backup could not be made. The reason is in the log of the api.",
    "backup_running": "A backup is being made already.",
    "broadcast_over": "Nothing of it waits any more: it was sent, or stopped before.",
    "chat_linked_already": ("This chat is linked to an account already. Unlink it there first."),
    "chat_of_other_account": (
        "This chat belongs to another account. It has to be unlinked there first."
    ),
    "chat_unlinked_just_now": "This chat was unlinked just now. Try again.",
    "code_not_confirmed": "This code cannot be confirmed (any more). Make a new one.",
    "code_not_redeemed": "Answer the question in the chat with Yes first.",
    "copy_being_made": "A smaller copy of this file is being made.",
    "default_not_usable": ("A model that is switched off or has vanished cannot be the default."),
    "delivery_gone": "What was made is deleted: there is nothing to show any more.",
    "delivery_moved_on": "It was moved on just now. Look again.",
    "delivery_over": "It was shown, or its owner has put it aside.",
    "delivery_shown_now": "A bot is showing it right now. Look again in a minute.",
    "email_taken": "This e-mail address already has an account.",
    "email_unknown": "No account has this e-mail address.",
    "guest_no_admin": "A guest account cannot become an admin.",
    "guest_of_chat": (
        "A guest account belongs to its chat. Link the chat to an account to change that."
    ),
    "key_of_other_request": "This Idempotency-Key was used for another request.",
    "lease_lost": "This delivery is not leased to you any more.",
    "model_listed_already": "%(model)s is in the catalogue already.",
    "not_finished": "It is not finished, so there is nothing to send yet.",
    "not_over": "It is not over. Cancel or resolve it first.",
    "not_refundable": (
        "There is nothing to refund: it cost nothing, is not over, or was refunded before."
    ),
    "not_repeatable": (
        "Only one that failed or was cancelled, and whose outcome is known, can be made again."
    ),
    "outcome_known": "Its outcome is not unknown, or not any more.",
    "owner_without_chat": "Its owner has no linked chat there.",
    "sent_at_same_moment": "This was sent at the same moment. Please try again.",
    "still_being_made": (
        "It is still being made. Cancel it first, then delete it once its cost is known."
    ),
    "last_admin_stays": "This is the last admin. Make somebody else an admin first.",
    "admin_exists": "The first admin exists already. Sign in instead.",
    "copy_not_made": "The file has %(megabytes)s MB, and a copy of this size is not made.",
    "file_too_large": "The file is larger than %(megabytes)s MB, or comes too slowly.",
    "memory_short": "There is not enough memory to look into this file.",
    "pixels_too_many": (
        "The image has %(megapixels)s megapixels, which is too many for a %(format)s image."
    ),
    "recording_too_long": "Recordings of up to %(minutes)s minutes are taken; this one is longer.",
    "request_too_large": "This request is larger than the server takes.",
    "scans_too_many": (
        "The image is a JPEG of %(scans)s scans or more. Save it as a usual JPEG or as a PNG."
    ),
    "video_too_long": "The file cannot be made as small as %(megabytes)s MB.",
    "image_damaged": "This %(format)s image is damaged and cannot be read.",
    "image_unreadable": (
        "This is not an image that can be read. PNG, JPEG, WebP, GIF, HEIC, AVIF, BMP and TIFF "
        "are taken."
    ),
    "recording_silent": "There is no sound in this file.",
    "recording_unreadable": (
        "This is not a recording that can be read. OGG, MP3, WAV, FLAC, M4A, MP4, WebM, AAC, AMR "
        "and AIFF are taken."
    ),
    "disk_low": ("%(free_mb)s MB are free, and below %(floor_mb)s MB nothing is made or answered."),
    "files_waiting": "Files that wait on this machine's disk: %(waiting)s.",
    "work_fails": "Work in the background fails: “%(said)s”",
    "database_said": "The database cannot be used: “%(said)s”",
    "database_away": "The database cannot be used right now.",
    "method_unknown": "This address does not take this method.",
    "range_unknown": "The file does not reach that far.",
    "request_too_slow": "The request did not come to its end in time.",
    "unexpected": (
        "Something went wrong here. The operator finds it in the log under %(reference)s."
    ),
    **cast(dict[Reason, str], MAKING_SENTENCES),
}
