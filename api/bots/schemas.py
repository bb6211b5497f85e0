"""Bodies and answers of the calls about bot processes, their leases and the updates they answer."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.schemas import In, Out, Platform, Time

ProcessId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{8,64}$")]
LeaseName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
BotId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,64}$")]
Seconds = Annotated[float, Field(ge=0.2, le=60.0)]
UpdateId = Annotated[int, Field(ge=0, lt=2**63)]


class BeatIn(In):
    """A process says that it is there. `wants` are all leases that it holds or would take; those
    that it holds beside them become free. `replaces`: processes of its machine that are dead for
    certain. `seconds`: the time for which its word counts."""

    process: ProcessId
    label: str = Field(min_length=1, max_length=120)
    bot: BotId = ""
    wants: list[LeaseName] = Field(default_factory=list, max_length=300)
    replaces: list[ProcessId] = Field(default_factory=list, max_length=100)
    seconds: Seconds = 10.0


class HeldOut(Out):
    """A lease and the process that holds it."""

    name: str
    process: str
    label: str


class BeatOut(Out):
    """`held`: the leases of this process. `leases`: those of all processes of the platform.
    `processes`: how many there are, this one counted. `orphans`: there are updates to claim.
    `seconds`: the time for which the word counts from now on."""

    held: list[str]
    leases: list[HeldOut]
    processes: int
    orphans: bool
    seconds: float


class LeaveIn(In):
    process: ProcessId


class BotProcessOut(Out):
    """A running process of a bot; `leases` are the parts of the work that it alone does. Without
    any it stands by, or shares all of it behind a webhook."""

    platform: Platform
    label: str
    since: Time
    leases: list[str]


class TurnIn(In):
    name: LeaseName
    seconds: float = Field(ge=0.05, le=60.0)


class TurnOut(Out):
    """`taken` false: another one had the turn within that time."""

    taken: bool


class UpdateIn(In):
    """An update as the platform wrote it, in `raw`."""

    id: UpdateId
    raw: str = Field(max_length=900_000)


class KeepIn(In):
    process: ProcessId
    bot: BotId
    updates: list[UpdateIn] = Field(min_length=1, max_length=100)


class KeptOut(Out):
    """The updates, by id, that this process shall answer: nobody else has them or had them."""

    mine: list[int]


class ClaimIn(In):
    """`seconds`: as in a beat."""

    process: ProcessId
    bot: BotId
    seconds: Seconds = 10.0


class UpdateOut(Out):
    """`shown`: the messages of its answer in their order, each by its ids. `kills`: how many
    processes died over it. `age`: seconds since it came."""

    id: int
    raw: str
    shown: list[list[str]]
    kills: int
    age: float


class ShownIn(In):
    process: ProcessId
    bot: BotId
    id: UpdateId
    shown: list[list[Annotated[str, StringConstraints(max_length=100)]]] = Field(max_length=200)


class DoneIn(In):
    bot: BotId
    ids: list[UpdateId] = Field(min_length=1, max_length=100)
