"""Carries a plan out: changes the people, records the events, and writes to the audit log."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity
from chassis.messaging import outbox
from chassis.messaging.events import Event

from .. import audit, commands, names
from ..audit import AuditAction
from ..errors import ImportHasErrors, ImportOutdated
from ..events import KeyRevoked, UserDeactivated, UserReactivated, UserRegistered, UserRenamed
from ..models import Person, Role
from .plan import MAX_TEXTS, RIGHTS, Plan, PlannedRow, Value, plan


class Invited(NamedTuple):
    line: int
    user_id: int
    name: str
    invitation: commands.NewInvitation


async def apply(
    session: AsyncSession,
    body: bytes,
    *,
    digest: str | None,
    caller: Identity | None,
    max_name_length: int,
    invitation_lifetime: timedelta,
) -> tuple[Plan, list[Invited]]:
    """Carries the plan out, and makes an invitation for each newcomer.

    `digest` is that of the plan that the caller has seen; None carries out any plan. Raises
    ImportNotAccepted, ImportHasErrors and ImportOutdated.
    """
    await commands.lock_administrators(session)
    planned = await plan(
        session, body, caller=caller, max_name_length=max_name_length, for_update=True
    )
    if planned.has_errors:
        raise ImportHasErrors
    if digest is not None and digest != planned.digest:
        raise ImportOutdated
    rows = [row for row in planned.rows if row.action != "unchanged"]
    newcomers = [row for row in rows if row.is_new]
    for row in rows:
        row.person = _changed(row)
        session.add(row.person)
    try:
        await session.flush()
    except IntegrityError as error:
        # Somebody else got one of the external ids meanwhile.
        raise ImportOutdated from error
    await _record_events(session, rows)
    left = [row.user_id for row in rows if _new_value(row, "active") is False]
    await commands.mark_keys_revoked(session, *left)
    _record_audit(session, rows, caller)
    invitations = commands.add_invitations(
        session, [row.user_id for row in newcomers], caller=caller, lifetime=invitation_lifetime
    )
    return planned, [
        Invited(row.line, row.user_id, str(row.wanted["name"]), invitation)
        for row, invitation in zip(newcomers, invitations, strict=True)
    ]


def _changed(row: PlannedRow) -> Person:
    """The person with the changes of the row."""
    person = row.person or Person(name="", folded="")
    for change in row.changes:
        if change.field == "active":
            commands.set_active(person, active=bool(change.new))
        else:
            setattr(person, change.field, change.new)
    person.folded = names.search_form(person.name)
    return person


def _new_value(row: PlannedRow, column: str) -> Value:
    """The value to which the row changes the column; None if it does not change."""
    return next((change.new for change in row.changes if change.field == column), None)


async def _record_events(session: AsyncSession, rows: Sequence[PlannedRow]) -> None:
    events: list[Event] = []
    for row in rows:
        user_id, name = row.user_id, str(row.wanted["name"])
        changed = {change.field for change in row.changes}
        if row.is_new:
            events.append(UserRegistered(user_id=user_id, name=name))
            continue
        if "name" in changed:
            events.append(UserRenamed(user_id=user_id, name=name))
        if "active" in changed:
            is_back = row.wanted["active"]
            leaves_or_returns = UserReactivated if is_back else UserDeactivated
            events.append(leaves_or_returns(user_id=user_id))
        if changed & set(RIGHTS):
            events.append(KeyRevoked(user_id=user_id))
    numbers = await outbox.record_all(session, events)
    people = {row.user_id: row.person for row in rows}
    for event, number in zip(events, numbers, strict=True):
        if isinstance(event, UserRegistered | UserRenamed):
            person = people[event.user_id]
            assert person is not None
            person.name_version = number


def _record_audit(
    session: AsyncSession, rows: Sequence[PlannedRow], caller: Identity | None
) -> None:
    for row in rows:
        user_id = row.user_id
        if row.is_new:
            audit.record(session, AuditAction.registered, user_id, caller)
            audit.record(session, AuditAction.invited, user_id, caller)
        for action, role in _audit_actions(row):
            audit.record(session, action, user_id, caller, role=role)


def _audit_actions(row: PlannedRow) -> Iterable[tuple[AuditAction, Role | None]]:
    """The entries of the audit log for the changes of a row, with the role that they are about."""
    changed = {change.field: change.new for change in row.changes}
    if "name" in changed and not row.is_new:
        yield AuditAction.renamed, None
    if changed.keys() & MAX_TEXTS.keys() and not row.is_new:
        yield AuditAction.profile_changed, None
    if "active" in changed:
        yield AuditAction.reactivated if changed["active"] else AuditAction.deactivated, None
    if "administrator" in changed:
        added, removed = AuditAction.administrator_added, AuditAction.administrator_removed
        yield added if changed["administrator"] else removed, None
    for role in Role:
        if role in changed:
            yield AuditAction.role_given if changed[role] else AuditAction.role_taken, role
