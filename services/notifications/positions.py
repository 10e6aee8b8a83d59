"""The order of notices and notifications: one row lock, which every writer takes first.

A stream resumes after the position of the last notice that it received. So a notice must never be
committed with a smaller position than one that somebody may have read. A sequence does not promise
that: transactions commit in another order than they draw numbers. Therefore every transaction that
appends a notice, or gives a notification its `seq`, locks the row of `position` before any other
row. Such transactions run one after another: the positions that are read have no gaps that are
filled later, and no two of these transactions deadlock.

The statements after the lock count up from `select position from position`, and store the last
position that they gave.
"""

from chassis.database.session import AnySession, fetch

_LOCK = "select from position for update"


async def lock(session: AnySession) -> None:
    """Locks the positions until the transaction ends. Call it before the first other row lock.

    It is a statement of its own, because a statement that waits for a lock does not see what the
    transaction before it has changed in other rows.
    """
    if "positions_locked" not in session.info:
        await fetch(session, _LOCK)
        session.info["positions_locked"] = True


_APPEND_UNREAD_NOTICE = """
with given as (
    update position set position = position + 1 returning position
)
insert into notice (position, kind, recipient_id) select position, 'seen', $1 from given
"""


async def append_unread_notice(session: AnySession, user_id: int) -> None:
    """Tells a person's streams that the person's unread notifications or marker changed."""
    await lock(session)
    await fetch(session, _APPEND_UNREAD_NOTICE, user_id)
