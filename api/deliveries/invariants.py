"""Invariants of deliveries: each ends, and no chat shows more copies than promised."""

from datetime import timedelta

from api.deliveries.fallback import DOUBTS_MAX, EXPIRES
from api.invariants import Invariant

LATE = timedelta(hours=1)
"""Time for which the end of a delivery may be overdue."""

_END = """
    SELECT id, platform || ', ' || event || ', waits since ' || since_at AS facts FROM deliveries
    WHERE state = 'pending' AND since_at < $1 AND (lease IS NULL OR due_at < $2)"""

# With this many sends of unclear end it has to go elsewhere, so the one that was shown was not the
# chat's next copy.
_COPIES = f"""
    SELECT id, platform || ', shown after ' || doubts || ' sends with an unclear end' AS facts
    FROM deliveries
    WHERE state = 'done' AND message_ids_json IS NOT NULL AND NOT shown AND NOT repeatable
        AND doubts >= {DOUBTS_MAX}"""

_JOBS = """
    SELECT parts.id, what || ' of job ' || parts.generation_id AS facts FROM (
        SELECT id, generation_id, 'delivery' AS what FROM deliveries
            WHERE generation_id IS NOT NULL
        UNION ALL SELECT media_id, generation_id, 'file at ' || platform FROM platform_files
    ) AS parts LEFT JOIN generations ON generations.id = parts.generation_id
    WHERE generations.id IS NULL"""

INVARIANTS = [
    Invariant("deliveries_end", _END, lambda now: (now - EXPIRES - LATE, now - LATE), timed=True),
    Invariant("copies_within_promise", _COPIES),
    Invariant("deliveries_have_jobs", _JOBS),
]
