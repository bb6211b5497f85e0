"""Times after which a dead process is missed, made short in each process before it starts: a test
cannot wait for minutes."""

from datetime import timedelta
from functools import partial
from types import ModuleType

import api.app
import api.deliveries.service
import api.duties
import api.generations.making.steps
import api.live_processes
import api.media.invariants
import api.media.orphans
import api.text.service
import api.worker
import bots.core.delivery_pump
import bots.core.presence
import bots.discord.shards
import sandbox.media
from api.generations.making.worker import WorkerTimes
from bots.core.delivery_claims import PumpTimes
from bots.core.presence import PresenceTimes
from tests.sandbox_server import ROUGH

IDENTIFY_SECONDS = 0.6
"""Seconds between two connects of a Discord bot."""

WORK = partial(WorkerTimes, lease=10.0, beat=1.5, sweep=20.0, sweep_files=5.0)

SHORT: list[tuple[ModuleType, dict[str, object]]] = [
    (api.app, {"WorkerTimes": WORK}),
    (api.worker, {"WorkerTimes": WORK}),
    (
        api.generations.making.steps,
        {"POLL_BEHIND_WEBHOOKS": 4.0, "UNKNOWN_LOOK": 5.0, "PROVIDER_TIME_MAX": 45.0},
    ),
    (api.media.orphans, {"GRACE": timedelta(seconds=10)}),
    (api.media.invariants, {"LEFT_FOR": timedelta(seconds=20)}),
    (api.deliveries.service, {"LEASE": timedelta(seconds=8)}),
    (api.live_processes, {"LEASE": 8.0, "RENEWED": 2.0}),
    (api.duties, {"LEASE": 8.0, "RENEWED": 2.0}),
    (api.text.service, {"FREED_EVERY": 2.0}),
    (bots.core.delivery_pump, {"PumpTimes": partial(PumpTimes, fresh=5.0, beat=2.0)}),
    (
        bots.core.presence,
        {"PresenceTimes": partial(PresenceTimes, lease=4.0, beat=0.8, look=0.4)},
    ),
    (bots.discord.shards, {"TURN_SECONDS": IDENTIFY_SECONDS}),
    (sandbox.media, {**ROUGH}),
]


def shorten() -> None:
    for module, values in SHORT:
        for name, value in values.items():
            setattr(module, name, value)
