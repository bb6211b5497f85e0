"""Invariants of sessions."""

from api.invariants import Invariant

# A session's family of refresh tokens has one that nobody has used yet: with two, one that was
# stolen would go unnoticed, without one its owner is signed out.
_ONE = """
    SELECT coalesce(sessions.id, unused.session_id) AS id,
        CASE WHEN sessions.id IS NULL THEN 'no session, ' ELSE '' END
            || coalesce(heads, 0) || ' unused tokens' AS facts
    FROM sessions FULL JOIN (
        SELECT session_id, sum(CASE WHEN used_at IS NULL THEN 1 ELSE 0 END) AS heads
        FROM refresh_tokens GROUP BY session_id
    ) AS unused ON unused.session_id = sessions.id
    WHERE sessions.id IS NULL OR coalesce(heads, 0) > 1
        OR (coalesce(heads, 0) = 0 AND revoked_at IS NULL AND expires_at > $1)"""

INVARIANTS = [Invariant("one_refresh_token", _ONE, lambda now: (now,))]
