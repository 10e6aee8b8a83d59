"""Exporting and importing people as a CSV file, for administrators."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, NotAnAdministrator, PayloadTooLarge, responses

from .. import people_import
from ..errors import ImportHasErrors, ImportNotAccepted, ImportOutdated
from ..people_csv import COLUMNS, MAX_BYTES, MAX_ROWS
from ..people_import import Invited, Plan, PlannedRow, RowAction
from ..settings import Settings
from .keys import uncached

IMPORT_PATH = "/api/people/import"

router = APIRouter(tags=["administration"])

_EXAMPLE = "external_id,name,title,department\r\nE-1007,Анна Ким,Structural engineer,Bridges\r\n"
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


class ChangeView(BaseModel):
    field: str
    """A column of the file."""
    old: str | bool | None
    """Null for a new person."""
    new: str | bool | None


class RowErrorView(BaseModel):
    column: str
    error_type: str
    error_message: str


class ImportedRowView(BaseModel):
    line: int
    """The line of the file on which the row ends. The first line is the header."""
    action: RowAction
    user_id: int | None
    """Null for a person who is not registered yet, and for a row about nobody."""
    name: str
    changes: list[ChangeView]
    errors: list[RowErrorView]


class ImportInvitationView(BaseModel):
    line: int
    user_id: int
    name: str
    invitation: str
    """The page's address for it is `/invitation#` and this."""
    expires_at: datetime


class ImportResponse(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "applied": False,
                    "digest": "3f1c…",
                    "counts": {"create": 0, "change": 1},
                    "rows": [
                        {
                            "line": 2,
                            "action": "change",
                            "user_id": 7,
                            "name": "Анна Ким",
                            "changes": [{"field": "department", "old": None, "new": "Bridges"}],
                            "errors": [],
                        }
                    ],
                    "invitations": [],
                }
            ]
        }
    )

    result: Literal[True] = True
    applied: bool
    """Whether the import was carried out: false for a preview."""
    digest: str | None
    """What to send with `apply=true`. Null if a row has errors: nothing can be applied then."""
    counts: dict[RowAction, int]
    """How many rows there are of each action."""
    rows: list[ImportedRowView]
    invitations: list[ImportInvitationView]
    """One for each new person, in this response only. Empty for a preview."""


@router.get(
    "/api/people.csv",
    summary="Export all people as a CSV file (administrators)",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **responses(NotAnAdministrator),
    },
)
async def export_people(identity: Administrator, session: Transaction) -> Response:
    """Everybody who is not erased, in UTF-8 with a byte order mark. The import takes the same
    columns. A cell that spreadsheets would run as a formula begins with an apostrophe."""
    return Response(
        await people_import.export(session),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="people.csv"'},
    )


@router.post(
    IMPORT_PATH,
    summary="Preview or apply a CSV file of people (administrators)",
    responses=responses(
        NotAnAdministrator,
        PayloadTooLarge,
        ImportNotAccepted,
        ImportHasErrors,
        ImportOutdated,
        InvalidRequest,
    ),
    dependencies=[uncached],
    openapi_extra=_FILE,
    description=f"""The body is a CSV file in UTF-8 of up to {MAX_BYTES:,} bytes and {MAX_ROWS:,}
rows, separated by commas, semicolons or tabs. The first line names the columns, of which some may
be missing: {", ".join(f"`{name}`" for name in COLUMNS)}.

A row is about the person with its `id` or, without one, with its `external_id`. If nobody has this
`external_id`, or the row has neither, it is about a new person, who gets an invitation. An empty
cell clears a text; an empty name, right or `active` stays as it is. `active` deactivates a person
(`false`) or brings them back (`true`), without rights that the row does not give.

Without `apply` the response says what each row would do, and nothing changes. With `apply=true` and
the `digest` of that response, everything is done, or nothing: if a person or the file is different
by now, the response is `ImportOutdated`.""",
)
async def import_people(
    identity: Administrator,
    session: Transaction,
    request: Request,
    apply: Annotated[bool, Query(description="Whether to carry the import out.")] = False,
    digest: Annotated[
        str | None, Query(pattern="^[0-9a-f]{64}$", description="The `digest` of the preview.")
    ] = None,
) -> ImportResponse:
    settings: Settings = request.app.state.settings
    body = await request.body()
    if not apply:
        plan = await people_import.plan(
            session, body, caller=identity, max_name_length=settings.max_name_length
        )
        return _response(plan, [], applied=False)
    if digest is None:
        raise InvalidRequest(reason="Send the digest of the preview with apply=true.")
    plan, invited = await people_import.apply(
        session,
        body,
        digest=digest,
        caller=identity,
        max_name_length=settings.max_name_length,
        invitation_lifetime=timedelta(days=settings.invitation_days),
    )
    return _response(plan, invited, applied=True)


def _response(plan: Plan, invited: list[Invited], *, applied: bool) -> ImportResponse:
    return ImportResponse(
        applied=applied,
        digest=None if plan.has_errors else plan.digest,
        counts=plan.counts,
        rows=[_row(row) for row in plan.rows],
        invitations=[
            ImportInvitationView(
                line=each.line,
                user_id=each.user_id,
                name=each.name,
                invitation=each.invitation.secret,
                expires_at=each.invitation.expires_at,
            )
            for each in invited
        ],
    )


def _row(row: PlannedRow) -> ImportedRowView:
    return ImportedRowView(
        line=row.line,
        action=row.action,
        user_id=row.person and row.person.id,
        name=str(row.wanted.get("name") or ""),
        changes=[ChangeView(**change._asdict()) for change in row.changes],
        errors=[
            RowErrorView(
                column=column, error_type=type(error).__name__, error_message=error.sentence
            )
            for column, error in row.errors
        ],
    )
