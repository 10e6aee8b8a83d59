"""Who is here, and under which name; who leaves."""

from datetime import UTC, datetime

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import erasure, outbox

from .. import names
from ..errors import CannotDeactivateYourself, CannotEraseYourself, NameNotConfirmed
from ..events import UserDeactivated, UserErased, UserRegistered, UserRenamed
from ..models import ApiKey, Person
from .administrators import require_another_administrator
from .keys import grant_key, kill_keys
from .locks import known, lock_administrators, locked


async def register_user(
    session: AsyncSession, name: str, *, name_length: int, administrator: bool = False
) -> int:
    """Makes a person and gives their id. Raises NameNotAccepted."""
    name = names.clean(name, name_length)
    person = Person(name=name, folded=names.fold(name), administrator=administrator)
    session.add(person)
    await session.flush()
    event = UserRegistered(user_id=person.id, name=name)
    person.name_version = await outbox.record(session, event)
    return person.id


async def rename_user(session: AsyncSession, user_id: int, name: str, *, name_length: int) -> None:
    """Raises UserNotFound and NameNotAccepted. The same name again is no event."""
    person = await locked(session, user_id)
    name = names.clean(name, name_length)
    if name == person.name:
        if person.name_version is not None:
            outbox.mention(session, person.name_version)
        return
    person.name, person.folded = name, names.fold(name)
    event = UserRenamed(user_id=user_id, name=name)
    person.name_version = await outbox.record(session, event)


async def deactivate_user(session: AsyncSession, user_id: int, by: int) -> None:
    """Ends a person's access and hides them. What they wrote is kept, and shown to nobody.

    Idempotent. Raises UserNotFound, CannotDeactivateYourself and LastAdministrator.
    """
    if user_id == by:
        raise CannotDeactivateYourself
    await lock_administrators(session)
    person = await known(session, user_id)
    await require_another_administrator(session, person)
    await _deactivate(session, person)


async def erase_user(session: AsyncSession, user_id: int, name: str, by: int) -> None:
    """Begins a person's erasure: the name and the keys go at once, the rest by jobs. Idempotent.

    `name` confirms it. Raises UserNotFound, NameNotConfirmed, CannotEraseYourself and
    LastAdministrator.
    """
    await lock_administrators(session)
    # A caller who is deactivated has no access any more, also not to their own erasure.
    person = await (locked if user_id == by else known)(session, user_id)
    if person.administrator and user_id == by:
        raise CannotEraseYourself
    if person.erased_at is None and names.normalized(name) != names.normalized(person.name):
        raise NameNotConfirmed
    await require_another_administrator(session, person)
    await _erase(session, person)


async def erase_again(session: AsyncSession, user_id: int) -> None:
    """Erases somebody whom a restored backup has brought back. Raises UserNotFound.

    The last administrator is erased as well: the person had been erased before the restore, and an
    operator can make another administrator at the console.
    """
    await lock_administrators(session)
    await _erase(session, await known(session, user_id))


async def _erase(session: AsyncSession, person: Person) -> None:
    if person.erased_at is not None:
        return
    await _deactivate(session, person)
    person.erased_at = datetime.now(UTC)
    person.name = person.folded = ""
    person.administrator = False
    await session.exec(delete(ApiKey).where(col(ApiKey.user_id) == person.id))
    await erasure.hear(session, person.id)
    await outbox.record(session, UserErased(user_id=person.id))


async def _deactivate(session: AsyncSession, person: Person) -> None:
    if person.deactivated_at is None:
        person.deactivated_at = datetime.now(UTC)
        await kill_keys(session, person.id)
        await outbox.record(session, UserDeactivated(user_id=person.id))


async def ensure_first_administrator(session: AsyncSession, key: str, *, name_length: int) -> None:
    """Makes the first administrator, with this key, in an installation without any person.

    Only administrators add people and an erased person's row stays, so an installation with a
    person has had its first administrator. A start must not make another one there: this would
    give an erased administrator's key, which is still in the settings, its rights back.
    """
    # Replicas that start at the same moment would each make one.
    await lock_administrators(session)
    if (await session.exec(select(Person.id).limit(1))).first() is None:
        user_id = await register_user(
            session, "Administrator", name_length=name_length, administrator=True
        )
        await grant_key(session, user_id, key)
