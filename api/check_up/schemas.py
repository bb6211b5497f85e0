"""Answers of the check-up and of the short state of an installation."""

from typing import Literal

from pydantic import Field

from api import invariants
from api.admin.schemas import BackupOut, BotOut, DeliveryCountOut, QueueOut, WarningOut
from api.reasons import Reason
from api.schemas import Out, Platform, Time

Part = Literal[
    "settings",
    "version",
    "api",
    "web",
    "sandbox",
    "database",
    "media",
    "disk",
    "clock",
    "provider",
    "credit",
    "mail",
    "public_url",
    "public_api_url",
    "backup",
    "bots",
]
Subject = Part | Platform
State = Literal["good", "warn", "bad", "off"]
"""`warn`: it works, and needs a person soon. `off`: it is not set, or cannot be looked at."""

Finding = Literal[
    "settings_read",
    "setting_wrong",
    "version_here",
    "version_differs",
    "runs",
    "runs_not",
    "port_taken",
    "database_answers",
    "database_slow",
    "database_new",
    "database_waits",
    "media_works",
    "media_waiting",
    "media_shared",
    "disk_has_room",
    "disk_nearly_full",
    "disk_full",
    "clock_right",
    "clock_wrong",
    "clock_not_compared",
    "provider_works",
    "provider_is_sandbox",
    "credit_left",
    "credit_low",
    "credit_used_up",
    "credit_without_limit",
    "key_ends",
    "mail_works",
    "mail_off",
    "address_works",
    "address_unset",
    "address_of_others",
    "backup_new",
    "backup_old",
    "backup_missing",
    "backup_off",
    "bot_connected",
    "bot_away",
    "token_works",
    "token_unset",
    "token_refused",
    "webhook_set",
    "webhook_fails",
    "intent_missing",
    "no_answer",
    "refused",
    "failed",
]
"""The result of one look. `refused` has the reason of an error of ours, `failed` the words of
another program."""


class FindingOut(Out):
    """One thing that was looked at. `params` are the facts in the sentence of the finding, or of
    the reason where there is one."""

    subject: Subject
    state: State
    finding: Finding
    params: dict[str, str | int] = Field(default_factory=dict)
    reason: Reason | None = None

    @classmethod
    def of(
        cls, subject: Subject, state: State, finding: Finding, **params: str | int
    ) -> "FindingOut":
        return cls(subject=subject, state=state, finding=finding, params=params)


class CheckUpOut(Out):
    """`at`: the time of the looks."""

    at: Time
    version: str
    findings: list[FindingOut]


class InstallationOut(Out):
    """A short answer to "how is it?". `backup`: the newest one; null: there is none."""

    version: str
    at: Time
    engine: Literal["duckdb", "postgresql"]
    sandbox: bool
    queue: list[QueueOut]
    deliveries: list[DeliveryCountOut]
    bots: list[BotOut]
    warnings: list[WarningOut]
    backup: BackupOut | None


InvariantName = invariants.InvariantName


class BrokenOut(Out):
    """A row or file that breaks an invariant. `id`: of a row, or the name of a file."""

    id: str
    facts: str


class InvariantOut(Out):
    """`skipped`: it cannot be told now. `rows`: the first of those that break it, `count` all."""

    name: InvariantName
    state: Literal["holds", "broken", "skipped"]
    skipped: Literal["begun_lately", "store_shared", "store_away"] | None = None
    count: int = 0
    rows: list[BrokenOut] = Field(default_factory=list)


class InvariantsOut(Out):
    """`at`: the time of the look."""

    at: Time
    version: str
    invariants: list[InvariantOut]
