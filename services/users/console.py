"""The operator's console. It uses the settings of the service and needs no API key.

`python -m operate` has the same commands and runs them with the settings of an installation:

`python -m operate user "Ann Kim"`
`python -m operate invite "Ann Kim"`
`python -m operate grant-key --user 5 --key demonstration`
`python -m operate administrator add 5` (the id, or the person's whole name)
`python -m operate role give moderator 5`
`python -m operate deactivate 5`, `python -m operate reactivate 5`
`python -m operate people export > people.csv`
`python -m operate people import people.csv` (a preview; with `--apply`, does it)
`python -m operate erased > erased.txt`
`python -m operate erase-again < erased.txt` (after a backup was restored)
"""

import argparse
import sys
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.http.paging import MAX_ID
from chassis.process import console

from . import audit, commands, people_import, queries
from .audit import AuditAction
from .errors import UserNotFound
from .models import Person, Role
from .settings import Settings

_ROLE_CHANGES = {
    "add": (commands.add_administrator, AuditAction.administrator_added),
    "remove": (commands.remove_administrator, AuditAction.administrator_removed),
}
_PERSON = "the person's id or whole name"
_ROLES = {
    "give": (commands.give_role, AuditAction.role_given),
    "take": (commands.take_role, AuditAction.role_taken),
}


def _transaction() -> AbstractAsyncContextManager[AsyncSession]:
    return console.transaction(Settings())


async def add_user(name: str) -> str:
    """Adds a person with a key that does not expire. Raises NameNotAccepted."""
    max_name_length = Settings().max_name_length
    async with _transaction() as session:
        user_id = await commands.register_user(session, name, max_name_length=max_name_length)
        key = await commands.issue_key(session, user_id)
        audit.record(session, AuditAction.registered, user_id, actor=None)
    return (
        f"user_id  {user_id}\napi_key  {key.key}\n"
        "The key cannot be shown again: give it to the person now."
    )


async def invite(name: str) -> str:
    """Adds a person with an invitation. Raises NameNotAccepted."""
    settings = Settings()
    lifetime = timedelta(days=settings.invitation_days)
    async with _transaction() as session:
        user_id = await commands.register_user(
            session, name, max_name_length=settings.max_name_length
        )
        audit.record(session, AuditAction.registered, user_id, actor=None)
        invitation = await commands.invite(session, user_id, caller=None, lifetime=lifetime)
        audit.record(session, AuditAction.invited, user_id, actor=None)
    return (
        f"user_id  {user_id}\npath     /invitation#{invitation.secret}\n"
        "Send the person the address of your Warble with this path. The link works once, until"
        f" {invitation.expires_at:%Y-%m-%d %H:%M} UTC, and cannot be shown again."
    )


async def grant_key(user_id: int, key: str) -> str:
    async with _transaction() as session:
        await commands.grant_key(session, user_id, key)
        audit.record(session, AuditAction.key_made, user_id, actor=None)
    return f"The person {user_id} can use this key now."


async def administrators() -> str:
    """The active administrators: id and name, one per line."""
    async with _transaction() as session:
        people = await queries.administrators(session)
    return "\n".join(f"{person.id}  {person.name}" for person in people)


async def change_administrators(change: str, id_or_name: str) -> str:
    """Adds (`add`) or removes (`remove`) an administrator; returns the list after the change.

    `id_or_name` is an id or a whole name. Raises UserNotFound, LastAdministrator, and ValueError if
    no person, or more than one, has the name.
    """
    command, action = _ROLE_CHANGES[change]
    async with _transaction() as session:
        user_id = await _user_id(session, id_or_name)
        if await command(session, user_id):
            audit.record(session, action, user_id, actor=None)
    return await administrators()


async def change_role(change: str, role: Role, id_or_name: str) -> str:
    """Gives (`give`) or takes away (`take`) a role; returns the person's roles after the change.

    Raises UserNotFound, and ValueError if no person, or more than one, has the name.
    """
    command, action = _ROLES[change]
    async with _transaction() as session:
        user_id = await _user_id(session, id_or_name)
        if await command(session, user_id, role):
            audit.record(session, action, user_id, actor=None, role=role)
        person = await session.get_one(Person, user_id)
        return f"Roles of the person {user_id}: {', '.join(sorted(person.roles)) or 'none'}"


async def _user_id(session: AsyncSession, id_or_name: str) -> int:
    if id_or_name.isdecimal() and int(id_or_name) <= MAX_ID:
        return int(id_or_name)
    people = await queries.people_named(session, id_or_name)
    if len(people) == 1:
        return people[0].id
    if not people:
        raise ValueError(f"No active person has the name {id_or_name!r}.")
    ids = ", ".join(str(person.id) for person in people)
    raise ValueError(f"Several people have the name {id_or_name!r}. Use one of these ids: {ids}.")


async def deactivate(id_or_name: str) -> str:
    """Raises UserNotFound, LastAdministrator, and ValueError as `change_role`."""
    async with _transaction() as session:
        user_id = await _user_id(session, id_or_name)
        await commands.deactivate_user(session, user_id, caller_id=None)
        audit.record(session, AuditAction.deactivated, user_id, actor=None)
    return f"The person {user_id} is deactivated."


async def reactivate(user_id: int) -> str:
    """Raises UserNotFound and PersonErased."""
    async with _transaction() as session:
        if await commands.reactivate_user(session, user_id):
            audit.record(session, AuditAction.reactivated, user_id, actor=None)
    return (
        f"The person {user_id} is active. They have no key and no role:"
        " give them an invitation or a key."
    )


async def export_people() -> str:
    async with _transaction() as session:
        return (await people_import.export(session)).rstrip()


async def import_people(body: bytes, *, is_applied: bool) -> str:
    """The rows that change something or have errors, one per line, and the invitations of the
    newcomers. Raises ImportNotAccepted and ImportHasErrors."""
    settings = Settings()
    invited: list[people_import.Invited] = []
    async with _transaction() as session:
        if is_applied:
            plan, invited = await people_import.apply(
                session,
                body,
                digest=None,
                caller=None,
                max_name_length=settings.max_name_length,
                invitation_lifetime=timedelta(days=settings.invitation_days),
            )
        else:
            plan = await people_import.plan(
                session, body, caller=None, max_name_length=settings.max_name_length
            )
    lines = [_described(row) for row in plan.rows if row.action != "unchanged"]
    lines += [f"{each.name}: /invitation#{each.invitation.secret}" for each in invited]
    counts = ", ".join(f"{action}: {count}" for action, count in sorted(plan.counts.items()))
    done = "Done" if is_applied else "This was a preview; nothing has changed"
    return "\n".join([*lines, f"{done}. {counts or 'no rows'}."])


def _content(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _described(row: people_import.PlannedRow) -> str:
    """A row of an import, such as `line 2: change 7 Ann Kim; title: None -> 'Engineer'`."""
    person = f"{row.person.id} " if row.person else ""
    changes = [f"{change.field}: {change.old!r} -> {change.new!r}" for change in row.changes]
    errors = [f"{column}: {error.sentence}" for column, error in row.errors]
    parts = errors or changes
    return "; ".join(
        [f"line {row.line}: {row.action} {person}{row.wanted.get('name', '')}", *parts]
    )


async def erased() -> str:
    """The ids of all erased people, one per line. It is no personal data and may be kept."""
    async with _transaction() as session:
        return "\n".join(map(str, await queries.erased_people(session)))


async def erase_again(user_ids: list[int]) -> str:
    """Erases people whom a restored backup has brought back. Ids that are not in it are skipped."""
    unknown = 0
    async with _transaction() as session:
        for user_id in user_ids:
            try:
                await commands.erase_again(session, user_id)
                audit.record(session, AuditAction.erased, user_id, actor=None)
            except UserNotFound:
                unknown += 1
        remaining = await queries.administrators(session)
    warning = "" if remaining else " No administrator is left. Add one at this console."
    return f"Erased people: {len(user_ids) - unknown}. Unknown ids: {unknown}.{warning}"


def _parser() -> argparse.ArgumentParser:
    """Each command sets `action`, a function from the arguments to a coroutine."""
    parser = argparse.ArgumentParser(prog="console", description=__doc__)
    parsers = parser.add_subparsers(dest="command", required=True)
    command = parsers.add_parser("user", help="add a person and print the key")
    command.add_argument("name")
    command.set_defaults(action=lambda given: add_user(given.name))
    command = parsers.add_parser(
        "invite", help="add a person and print a link that gives them their key, once"
    )
    command.add_argument("name")
    command.set_defaults(action=lambda given: invite(given.name))
    command = parsers.add_parser("grant-key", help="give a person a key that you choose")
    command.add_argument("--user", type=int, required=True, help="the person's id")
    command.add_argument("--key", required=True, help="the key, as the person will send it")
    command.set_defaults(action=lambda given: grant_key(given.user, given.key))
    command = parsers.add_parser("administrator", help="list, add or remove administrators")
    changes = command.add_subparsers(dest="change", required=True)
    command = changes.add_parser("list", help="print the id and name of each administrator")
    command.set_defaults(action=lambda given: administrators())
    for change, help_text in (
        ("add", "make a person an administrator"),
        ("remove", "remove the role, except from the last administrator"),
    ):
        command = changes.add_parser(change, help=help_text)
        command.add_argument("person", help=_PERSON)
        command.set_defaults(action=lambda given: change_administrators(given.change, given.person))
    command = parsers.add_parser("role", help="give a person a role, or take it away")
    command.add_argument("change", choices=sorted(_ROLES))
    command.add_argument("role", choices=list(Role), type=Role)
    command.add_argument("person", help=_PERSON)
    command.set_defaults(action=lambda given: change_role(given.change, given.role, given.person))
    command = parsers.add_parser(
        "deactivate", help="end a person's access, and hide them and their tweets"
    )
    command.add_argument("person", help=_PERSON)
    command.set_defaults(action=lambda given: deactivate(given.person))
    command = parsers.add_parser("reactivate", help="bring back a deactivated person")
    command.add_argument("user", type=int, help="the person's id")
    command.set_defaults(action=lambda given: reactivate(given.user))
    command = parsers.add_parser("people", help="export or import people as a CSV file")
    changes = command.add_subparsers(dest="change", required=True)
    command = changes.add_parser("export", help="print a CSV file of all people")
    command.set_defaults(action=lambda given: export_people())
    command = changes.add_parser("import", help="show what a CSV file would change, or do it")
    command.add_argument("file", help="the file, or - for stdin")
    command.add_argument("--apply", action="store_true", help="change people, all or none")
    command.set_defaults(
        action=lambda given: import_people(_content(given.file), is_applied=given.apply)
    )
    command = parsers.add_parser("erased", help="print the ids of all erased people")
    command.set_defaults(action=lambda given: erased())
    command = parsers.add_parser(
        "erase-again", help="erase the people whose ids stdin lists, one per line"
    )
    command.set_defaults(
        action=lambda given: erase_again([int(line) for line in sys.stdin.read().split()])
    )
    return parser


def main() -> int:
    return console.run(_parser())


if __name__ == "__main__":
    sys.exit(main())
