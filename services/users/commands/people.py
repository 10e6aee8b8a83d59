"""Registering people, changing their names and profiles, deactivating, reactivating and erasing
people."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.messaging import outbox
from chassis.privacy import erasure

from .. import names
from ..errors import CannotDeactivateYourself, CannotEraseYourself, NameNotConfirmed, PersonErased
from ..events import UserDeactivated, UserErased, UserReactivated, UserRegistered, UserRenamed
from ..models import ApiKey, Invitation, LinkedIdentity, Person, UserSession
from .administrators import require_another_administrator
from .keys import grant_key, mark_keys_revoked
from .locks import lock_active_person, lock_administrators, lock_person

MAX_PROFILE_TEXTS = {"about": 280, "title": 100, "department": 100}
"""How many characters each text of a profile has at most."""


async def register_user(
    session: AsyncSession, name: str, *, max_name_length: int, administrator: bool = False
) -> int:
    """Creates a person and returns the id. Raises NameNotAccepted."""
    name = names.clean(name, max_name_length)
    person = Person(name=name, folded=names.search_form(name), administrator=administrator)
    session.add(person)
    await session.flush()
    event = UserRegistered(user_id=person.id, name=name)
    person.name_version = await outbox.record(session, event)
    return person.id


async def rename_user(
    session: AsyncSession, user_id: int, name: str, *, max_name_length: int
) -> None:
    """An unchanged name records no event. Raises UserNotFound and NameNotAccepted."""
    person = await lock_active_person(session, user_id)
    name = names.clean(name, max_name_length)
    if name == person.name:
        if person.name_version is not None:
            outbox.name_in_response(session, person.name_version)
        return
    person.name, person.folded = name, names.search_form(name)
    event = UserRenamed(user_id=user_id, name=name)
    person.name_version = await outbox.record(session, event)


async def change_profile(
    session: AsyncSession, user_id: int, changes: Mapping[str, str | None]
) -> bool:
    """Changes these texts of a profile; None clears one. Returns whether anything is different.

    `changes` has keys of MAX_PROFILE_TEXTS. Raises UserNotFound and ProfileTextNotAccepted.
    """
    person = await lock_active_person(session, user_id)
    has_changed = False
    for field, text in changes.items():
        cleaned = names.clean_profile_text(text or "", MAX_PROFILE_TEXTS[field])
        has_changed |= getattr(person, field) != cleaned
        setattr(person, field, cleaned)
    _name_own_write(session, person)
    return has_changed


async def deactivate_user(session: AsyncSession, user_id: int, caller_id: int | None) -> None:
    """Ends a person's access and hides the person. Their tweets stay stored, and nobody sees them.

    Idempotent. `caller_id` is None at the operator's console. Raises UserNotFound,
    CannotDeactivateYourself and LastAdministrator.
    """
    if user_id == caller_id:
        raise CannotDeactivateYourself
    await lock_administrators(session)
    person = await lock_person(session, user_id)
    await require_another_administrator(session, person)
    await _deactivate(session, person)


async def reactivate_user(session: AsyncSession, user_id: int) -> bool:
    """Brings back a deactivated person. Returns whether the person was deactivated.

    The person, the follows and the tweets are shown again. Keys, sessions and roles do not come
    back: an administrator decides again what the person may do. Raises UserNotFound and
    PersonErased.
    """
    person = await lock_person(session, user_id)
    if person.erased_at is not None:
        raise PersonErased
    if person.deactivated_at is None:
        return False
    set_active(person, active=True)
    person.administrator = person.moderator = person.announcer = False
    await outbox.record(session, UserReactivated(user_id=user_id))
    return True


async def erase_user(session: AsyncSession, user_id: int, name: str, caller_id: int) -> None:
    """Starts the erasure of a person. Idempotent.

    The name and the keys are deleted here, everything else by the services' jobs. `name` must be
    the person's name, as a confirmation. Raises UserNotFound, NameNotConfirmed,
    CannotEraseYourself and LastAdministrator.
    """
    await lock_administrators(session)
    # A deactivated caller has no access any more, not even to their own erasure.
    lock = lock_active_person if user_id == caller_id else lock_person
    person = await lock(session, user_id)
    if person.administrator and user_id == caller_id:
        raise CannotEraseYourself
    if person.erased_at is None and names.normalized(name) != names.normalized(person.name):
        raise NameNotConfirmed
    await require_another_administrator(session, person)
    await _erase(session, person)


async def erase_again(session: AsyncSession, user_id: int) -> None:
    """Erases a person whom a restored backup has brought back. Raises UserNotFound.

    This erases the last administrator as well: the person had been erased before the restore, and
    an operator can make somebody an administrator at the console.
    """
    await lock_administrators(session)
    await _erase(session, await lock_person(session, user_id))


def set_active(person: Person, *, active: bool) -> None:
    """The caller locks the person before, and afterwards ends the keys and records the event."""
    person.deactivated_at = None if active else datetime.now(UTC)


async def _erase(session: AsyncSession, person: Person) -> None:
    if person.erased_at is not None:
        return
    await _deactivate(session, person)
    person.erased_at = datetime.now(UTC)
    person.name = person.folded = ""
    person.about = person.title = person.department = person.external_id = None
    person.administrator = person.moderator = person.announcer = False
    person.picture = None
    await session.exec(delete(ApiKey).where(col(ApiKey.user_id) == person.id))
    await session.exec(delete(Invitation).where(col(Invitation.user_id) == person.id))
    await session.exec(delete(UserSession).where(col(UserSession.user_id) == person.id))
    await session.exec(delete(LinkedIdentity).where(col(LinkedIdentity.user_id) == person.id))
    await erasure.mark_erased(session, person.id)
    await outbox.record(session, UserErased(user_id=person.id))


async def _deactivate(session: AsyncSession, person: Person) -> None:
    if person.deactivated_at is None:
        set_active(person, active=False)
        await mark_keys_revoked(session, person.id)
        await outbox.record(session, UserDeactivated(user_id=person.id))
        _name_own_write(session, person)


def _name_own_write(session: AsyncSession, person: Person) -> None:
    """Makes the response of a change without an event of its own name one: that of the person's
    name. So the caller's next reads of profiles do not come from a cache."""
    if person.name_version is not None:
        outbox.name_in_response(session, person.name_version)


async def ensure_first_administrator(
    session: AsyncSession, key: str, *, max_name_length: int
) -> None:
    """Creates the first administrator, with this key, if nobody is registered yet.

    Only administrators register people, and the row of an erased person stays, so an installation
    with a row in `person` has had its first administrator. A later start must not create another
    one: the key of an erased administrator, which is still in the settings, would get its rights
    back.
    """
    # Without the lock, replicas that start at the same moment would each create one.
    await lock_administrators(session)
    if (await session.exec(select(Person.id).limit(1))).first() is None:
        user_id = await register_user(
            session, "Administrator", max_name_length=max_name_length, administrator=True
        )
        await grant_key(session, user_id, key)
