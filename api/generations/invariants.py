"""Invariants of generations: each is paid for once, settled once, told once, and has its files."""

from api.generations.states import MOVES, name
from api.invariants import Invariant

_STATES = ", ".join(f"'{name(state)}'" for state in MOVES)

_UNKNOWN = f"""
    SELECT id, 'state ' || status || '/' || phase AS facts FROM generations
    WHERE status || '/' || phase NOT IN ({_STATES})
        OR (phase = 'done' AND (finished_at IS NULL OR lease_token IS NOT NULL))"""

# A second paid call of a job shows itself by a second id of the provider, and a result that went to
# the wrong job by one id at two.
_PAID = """
    SELECT min(id) AS id, 'provider id ' || provider_id || ' of ' || count(*) || ' jobs' AS facts
    FROM generations WHERE provider_id IS NOT NULL GROUP BY provider_id HAVING count(*) > 1
    UNION ALL
    SELECT generation_id, 'webhooks name ' || count(DISTINCT provider_id) || ' provider ids'
    FROM (
        SELECT generation_id, regexp_replace(dedupe_key, ':[^:]*$', '') AS provider_id
        FROM webhook_events WHERE generation_id IS NOT NULL) AS named
    GROUP BY generation_id HAVING count(DISTINCT provider_id) > 1"""

_SETTLED = """
    SELECT generations.id, status || '/' || phase || ', cost ' || coalesce(cost_micro, 0)
            || ', hold ' || coalesce(holds.state, 'missing') || ' with '
            || coalesce(settled_micro, 0) || ' (millionths of a dollar)' AS facts
    FROM generations LEFT JOIN holds ON holds.id = generations.hold_id
    WHERE holds.id IS NULL
        OR (phase <> 'done' AND holds.state <> 'held')
        OR (phase = 'done' AND (holds.state = 'held'
            OR (holds.state <> 'settled' AND (status = 'completed' OR coalesce(cost_micro, 0) > 0))
            -- a cancelled job that cost nothing may be settled with nothing
            OR (status <> 'completed' AND coalesce(cost_micro, 0) = 0
                AND holds.state = 'settled' AND settled_micro > 0)
            OR coalesce(cost_micro, 0) > coalesce(settled_micro, 0)))"""

_TOLD = """
    SELECT generations.id, status || ', told ' || coalesce(times, 0) || ' times' AS facts
    FROM generations LEFT JOIN (
        SELECT generation_id, count(*) AS times FROM deliveries
        -- beside those that its owner asked to have sent again
        WHERE event <> 'notice' AND NOT starts_with(dedupe_key, 'send:') GROUP BY generation_id
    ) AS told ON told.generation_id = generations.id
    WHERE platform IS NOT NULL AND chat_id IS NOT NULL
        -- of a cancelled one its chat is told at once, whatever the provider still does
        AND coalesce(times, 0) <> CASE WHEN status = 'cancelled'
            OR (status IN ('completed', 'failed') AND phase = 'done') THEN 1 ELSE 0 END"""

_FILES = """
    SELECT id, status || ', with no file' AS facts FROM generations
    WHERE status = 'completed' AND files_json IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM media
        WHERE media.generation_id = generations.id AND role IN ('image', 'video'))"""

_PARTS = """
    SELECT parts.generation_id AS id, what AS facts FROM (
        SELECT generation_id, 'link to share' AS what FROM shares
        UNION ALL SELECT generation_id, 'webhook' FROM webhook_events
            WHERE generation_id IS NOT NULL
        UNION ALL SELECT generation_id, 'key of a request' FROM idempotency
            WHERE generation_id NOT LIKE '%:%'
    ) AS parts LEFT JOIN generations ON generations.id = parts.generation_id
    WHERE generations.id IS NULL"""

INVARIANTS = [
    Invariant("states_known", _UNKNOWN),
    Invariant("paid_once", _PAID),
    Invariant("jobs_settled", _SETTLED),
    Invariant("jobs_told", _TOLD),
    Invariant("jobs_have_files", _FILES),
    Invariant("parts_have_jobs", _PARTS),
]
