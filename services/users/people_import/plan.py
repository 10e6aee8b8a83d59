"""What each row of a file would change."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity
from chassis.http.errors import Problem
from chassis.http.paging import MAX_ID

from .. import commands, names, people_csv, queries
from ..errors import (
    CannotDeactivateYourself,
    CellNotUnderstood,
    ExternalIdTaken,
    LastAdministrator,
    NameNotAccepted,
    NewcomerInactive,
    PersonErased,
    PersonNotActive,
    PersonRepeated,
    UserNotFound,
)
from ..models import Person, Role
from ..people_csv import FLAGS, TEXTS, ParsedRow

RIGHTS = ("administrator", *Role)
MAX_TEXTS = {**commands.MAX_PROFILE_TEXTS, "external_id": 100}
_TRUE = ("true", "yes", "1", "да")
_FALSE = ("false", "no", "0", "нет")

Value = str | bool | None
RowAction = Literal["create", "change", "deactivate", "reactivate", "unchanged", "error"]


class Change(NamedTuple):
    field: str
    old: Value
    new: Value


class RowError(NamedTuple):
    column: str
    error: Problem


@dataclass
class PlannedRow:
    line: int
    person: Person | None = None
    """None if the person was not found, and for a newcomer whom `apply` has not added yet."""
    is_new: bool = False
    wanted: dict[str, Value] = field(default_factory=dict)
    """The values of TEXTS and FLAGS after the import. Empty if the person was not found."""
    changes: list[Change] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)

    @property
    def action(self) -> RowAction:
        if self.errors:
            return "error"
        if self.is_new:
            return "create"
        for change in self.changes:
            if change.field == "active":
                return "reactivate" if change.new else "deactivate"
        return "change" if self.changes else "unchanged"

    @property
    def user_id(self) -> int:
        assert self.person is not None, "the row's person has been added"
        return self.person.id

    def refuse(self, column: str, error: Problem) -> None:
        self.errors.append(RowError(column, error))


@dataclass(frozen=True)
class Plan:
    rows: Sequence[PlannedRow]
    digest: str
    """Of the plan: it differs as soon as the file, or a person in it, is different."""

    @property
    def has_errors(self) -> bool:
        return any(row.errors for row in self.rows)

    @property
    def counts(self) -> dict[RowAction, int]:
        return dict(Counter(row.action for row in self.rows))


@dataclass(frozen=True)
class _Context:
    caller: Identity | None
    max_name_length: int
    people: Mapping[int, Person]
    by_external_id: Mapping[str, Person]


async def export(session: AsyncSession) -> str:
    """A CSV file of everybody who is not erased, by id, as `apply` takes it."""
    statement = select(Person).where(col(Person.erased_at).is_(None)).order_by(col(Person.id))
    people = await session.exec(statement)
    return people_csv.write({"id": person.id, **_state(person)} for person in people)


async def plan(
    session: AsyncSession,
    body: bytes,
    *,
    caller: Identity | None,
    max_name_length: int,
    for_update: bool = False,
) -> Plan:
    """What an import of this file would do. Raises ImportNotAccepted.

    `caller` is None at the operator's console. With `for_update` the people of the file stay locked
    until the transaction ends.
    """
    parsed = people_csv.parse(body)
    people = await _people_of(session, parsed, for_update=for_update)
    context = _Context(
        caller,
        max_name_length,
        {person.id: person for person in people},
        {person.external_id: person for person in people if person.external_id is not None},
    )
    seen: set[int | str] = set()
    rows = [_planned(row, context, seen) for row in parsed]
    administrators = {person.id for person in await queries.administrators(session)}
    _protect_last_administrator(rows, administrators)
    return Plan(rows, _digest(rows))


async def _people_of(
    session: AsyncSession, rows: Iterable[ParsedRow], *, for_update: bool
) -> Sequence[Person]:
    """Everybody whom the file names by id or external id, locked in the order of their ids."""
    cells = [row.cells for row in rows]
    ids = {number for each in cells if (number := _number(each.get("id", ""))) is not None}
    external_ids = {names.normalized(each.get("external_id", "")) for each in cells}
    statement = (
        select(Person)
        .where(or_(col(Person.id).in_(ids), col(Person.external_id).in_(external_ids)))
        .order_by(col(Person.id))
    )
    if for_update:
        statement = statement.with_for_update(key_share=True)
    return (await session.exec(statement)).all()


def _number(cell: str) -> int | None:
    cell = cell.strip()
    if not (cell.isascii() and cell.isdecimal() and len(cell) <= 16):
        return None
    return number if 1 <= (number := int(cell)) <= MAX_ID else None


def _state(person: Person | None) -> dict[str, Value]:
    if person is None:
        return {**dict.fromkeys(TEXTS), **dict.fromkeys(FLAGS, False), "name": "", "active": True}
    state: dict[str, Value] = {column: getattr(person, column) for column in (*TEXTS, *RIGHTS)}
    return {**state, "active": person.deactivated_at is None}


def _planned(parsed: ParsedRow, context: _Context, seen: set[int | str]) -> PlannedRow:
    row = PlannedRow(parsed.line)
    try:
        row.person = _person_of(parsed.cells, context)
    except Problem as error:
        row.refuse("id", error)
        return row
    row.is_new = row.person is None
    current = _state(row.person)
    values = _values(row, parsed.cells, context.max_name_length)
    row.wanted = current | values
    if row.wanted["active"] and not current["active"]:
        # As `commands.reactivate_user`: rights do not come back, unless the file gives them.
        row.wanted |= {right: values.get(right, False) for right in RIGHTS}
    row.changes = [
        Change(column, None if row.is_new else current[column], row.wanted[column])
        for column in (*TEXTS, *FLAGS)
        if row.wanted[column] != current[column]
    ]
    _check(row, context, seen)
    return row


def _person_of(cells: Mapping[str, str], context: _Context) -> Person | None:
    """The person whom the row is about; None for a newcomer. Raises the row's error."""
    person = None
    if cells.get("id", "").strip():
        number = _number(cells["id"])
        if number is None or number not in context.people:
            raise UserNotFound(number or 0)
        person = context.people[number]
    elif external_id := names.normalized(cells.get("external_id", "")):
        person = context.by_external_id.get(external_id)
    if person is not None and person.erased_at is not None:
        raise PersonErased
    return person


def _values(row: PlannedRow, cells: Mapping[str, str], max_name_length: int) -> dict[str, Value]:
    """The values in the cells. An empty cell clears a text, but neither a name nor a flag."""
    values: dict[str, Value] = {}
    for column, cell in cells.items():
        try:
            if column == "name":
                if cell.strip() or row.is_new:
                    values["name"] = names.clean(cell, max_name_length)
            elif column in TEXTS:
                values[column] = names.clean_profile_text(cell, MAX_TEXTS[column])
            elif column in FLAGS and (flag := _flag(cell)) is not None:
                values[column] = flag
        except Problem as error:
            row.refuse(column, error)
    if row.is_new and "name" not in cells:
        row.refuse("name", NameNotAccepted(limit=max_name_length))
    return values


def _flag(cell: str) -> bool | None:
    """None for an empty cell. Raises CellNotUnderstood."""
    cell = cell.strip().lower()
    if cell and cell not in (*_TRUE, *_FALSE):
        raise CellNotUnderstood
    return cell in _TRUE if cell else None


def _check(row: PlannedRow, context: _Context, seen: set[int | str]) -> None:
    """Refuses what the row wants and must not get."""
    external_id = row.wanted["external_id"]
    for key in (row.person and row.person.id, external_id):
        if key is not None and key in seen:
            row.refuse("id" if isinstance(key, int) else "external_id", PersonRepeated())
        elif isinstance(key, int | str):
            seen.add(key)
    if isinstance(external_id, str):
        owner = context.by_external_id.get(external_id)
        if owner is not None and owner is not row.person:
            row.refuse("external_id", ExternalIdTaken())
    if row.wanted["active"]:
        return
    if row.person is None:
        row.refuse("active", NewcomerInactive())
        return
    if context.caller is not None and row.person.id == context.caller.user_id:
        row.refuse("active", CannotDeactivateYourself())
    for change in row.changes:
        if change.field in RIGHTS and change.new:
            row.refuse(change.field, PersonNotActive())


def _protect_last_administrator(rows: Sequence[PlannedRow], administrators: set[int]) -> None:
    """Refuses the rows that take administrators away if nobody would be left."""
    losers = [
        row
        for row in rows
        if row.person is not None
        and row.person.id in administrators
        and row.wanted
        and not (row.wanted["administrator"] and row.wanted["active"])
    ]
    winners = [
        row
        for row in rows
        if row.action != "error" and row.wanted["administrator"] and row.wanted["active"]
    ]
    if losers and not winners and administrators <= {row.user_id for row in losers}:
        for row in losers:
            is_demoted = not row.wanted["administrator"]
            row.refuse("administrator" if is_demoted else "active", LastAdministrator())


def _digest(rows: Sequence[PlannedRow]) -> str:
    content = [(row.line, row.action, row.person and row.person.id, [*row.changes]) for row in rows]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
