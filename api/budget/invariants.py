"""Invariants of money. Counters are compared with holds and ledger by
`api.budget.store.DIFFERENCES`."""

from datetime import datetime, timedelta

from api.budget import day_sums, store
from api.budget.anonymiser import NOBODY
from api.invariants import Invariant

ANSWERED_WITHIN = timedelta(hours=2)
"""Time within which the hold of an answer is closed, whatever became of its process."""
_SHARED = "NOT starts_with(subject, 'refund:')"
_AT_ONCE = "(subject LIKE 'text:%' OR subject LIKE 'sound:%')"
"""The work that is answered in its request."""
_FIRST = f"subject LIKE 'generation:%' OR {_AT_ONCE}"

_COUNTERS = f"""
    SELECT scope || ' ' || month AS id,
        'held ' || held_micro || ', open holds ' || held_by_holds_micro || '; spent ' || spent_micro
            || ', ledger ' || spent_by_ledger_micro || ' (millionths of a dollar)' AS facts
    FROM ({store.DIFFERENCES}) AS differences"""

# A hold is made only within the limit of its moment, and a cost takes its place. So a month is
# above the highest limit of its holds by no more than what costs went beyond holds: those above
# their hold, those of failed and cancelled jobs, which may come after the hold was released, and
# corrections, which come when the rest of the hold was free for others.
_LIMITS = f"""
    WITH corrected AS (
        SELECT hold_id, sum(amount_micro) AS amount_micro FROM ledger
        WHERE starts_with(subject, 'corrected:') AND amount_micro > 0 GROUP BY hold_id
    ), counted AS (
        SELECT holds.user_id, holds.month, holds.group_scope, holds.place_id,
            holds.limit_micro,
            CASE WHEN holds.state <> 'settled' THEN 0
                WHEN holds.subject LIKE 'generation:%'
                    AND coalesce(generations.status IN ('failed', 'cancelled'), true)
                    THEN holds.settled_micro
                ELSE greatest(holds.settled_micro - holds.amount_micro,
                    coalesce(corrected.amount_micro, 0)) END AS beyond
        FROM holds LEFT JOIN generations ON generations.hold_id = holds.id
        LEFT JOIN corrected ON corrected.hold_id = holds.id
    ), people AS (
        SELECT 'user:' || user_id AS scope, month, max(limit_micro) AS most,
            CAST(sum(beyond) AS BIGINT) AS beyond, count(*) - count(limit_micro) AS unknown
        FROM counted WHERE user_id <> '{NOBODY}' GROUP BY user_id, month
    ), groups AS (
        SELECT scope, month, CAST(sum(beyond) AS BIGINT) AS beyond FROM (
            SELECT group_scope AS scope, month, beyond FROM counted
            WHERE month = $1 AND group_scope IS NOT NULL
            UNION ALL SELECT 'global', month, beyond FROM counted WHERE month = $1) AS both_kinds
        GROUP BY scope, month
    ), in_places AS (
        SELECT place_id, month, CAST(sum(beyond) AS BIGINT) AS beyond FROM counted
        WHERE month = $1 AND place_id IS NOT NULL GROUP BY place_id, month
    ), allowed AS (
        SELECT scope, month, most, beyond FROM people WHERE unknown = 0
        UNION ALL
        -- a limit that was changed in this month may be below what was spent until then
        SELECT scope, month, limit_micro, beyond FROM groups JOIN budget_limits USING (scope)
        WHERE limit_micro IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM audit WHERE action = 'budget_limit_set' AND audit.subject = groups.scope
                AND audit.created_at >= $2)
        UNION ALL
        SELECT 'place:' || id, month, monthly_micro, beyond
        FROM in_places JOIN places ON places.id = place_id
        WHERE monthly_micro IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM audit WHERE action = 'place_set' AND audit.subject = places.id
                AND audit.created_at >= $2)
    )
    SELECT budgets.scope || ' ' || budgets.month AS id,
        'spent ' || spent_micro || ' and held ' || held_micro || ', limit ' || most
            || ', costs beyond their holds ' || beyond || ' (millionths of a dollar)' AS facts
    FROM budgets JOIN allowed ON allowed.scope = budgets.scope AND allowed.month = budgets.month
    WHERE spent_micro + held_micro > most + beyond"""

_BOOKED = f"""
    WITH booked AS (
        SELECT hold_id, CAST(sum(CASE WHEN {_SHARED} THEN amount_micro ELSE 0 END) AS BIGINT)
                AS amount,
            sum(CASE WHEN {_FIRST} THEN 1 ELSE 0 END) AS times
        FROM ledger GROUP BY hold_id
    )
    SELECT coalesce(holds.subject, 'hold ' || booked.hold_id) AS id,
        coalesce(holds.state, 'no hold') || ' with ' || coalesce(holds.settled_micro, 0)
            || ', booked ' || coalesce(times, 0) || ' times, ' || coalesce(amount, 0)
            || ' in all (millionths of a dollar)' AS facts
    FROM holds FULL JOIN booked ON booked.hold_id = holds.id
    WHERE (coalesce(holds.state, '') <> 'settled' AND booked.hold_id IS NOT NULL)
        OR (holds.state = 'settled'
            AND (coalesce(times, 0) <> 1 OR amount <> holds.settled_micro))"""

_WORK = f"""
    SELECT holds.subject AS id, 'held since ' || holds.created_at AS facts
    FROM holds LEFT JOIN generations ON holds.subject = 'generation:' || generations.id
    WHERE state = 'held' AND (
        (starts_with(subject, 'generation:') AND generations.id IS NULL)
        OR ({_AT_ONCE} AND holds.created_at < $1))"""

_DAYS = f"""
    WITH summed AS (
        SELECT CAST(created_at AS DATE) AS day, user_id, kind, model,
            CAST(sum(amount_micro) AS BIGINT) AS amount_micro,
            CAST(sum({day_sums.REQUESTS}) AS BIGINT) AS requests
        FROM ledger
        WHERE created_at < (SELECT created_at FROM marks WHERE name = '{day_sums.MARK}')
        GROUP BY 1, 2, 3, 4
    )
    SELECT CAST(coalesce(summed.day, kept.day) AS TEXT) || ' '
            || coalesce(summed.user_id, kept.user_id) AS id,
        coalesce(summed.model, kept.model) || ': kept ' || coalesce(kept.amount_micro, 0)
            || ', ledger ' || coalesce(summed.amount_micro, 0) || ' (millionths of a dollar)'
            AS facts
    FROM summed FULL JOIN spend_days AS kept ON kept.day = summed.day
        AND kept.user_id = summed.user_id AND kept.kind = summed.kind AND kept.model = summed.model
    WHERE coalesce(summed.amount_micro, 0) <> coalesce(kept.amount_micro, 0)
        OR coalesce(summed.requests, 0) <> coalesce(kept.requests, 0)"""


def _month(now: datetime) -> tuple[object, ...]:
    return f"{now:%Y-%m}", now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


INVARIANTS = [
    Invariant(
        "counters_add_up",
        _COUNTERS,
        lambda now: ("global", store.REFUND, store.first_month_of_days(now)),
    ),
    Invariant("limits_kept", _LIMITS, _month),
    Invariant("holds_booked", _BOOKED),
    Invariant("holds_have_work", _WORK, lambda now: (now - ANSWERED_WITHIN,)),
    Invariant("days_add_up", _DAYS),
]
