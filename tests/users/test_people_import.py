"""Many people are changed at once by a CSV file: first a preview, then all of it or nothing."""

import csv
import io
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import testing
from devstack.instance import Instance
from operate import postgres
from services.users import console, people_csv

from .conftest import People
from .test_api import signed
from .test_audit import audit_entries


class Files:
    """Sends CSV files as an administrator."""

    def __init__(self, users: httpx.AsyncClient, people: People) -> None:
        self._users = users
        self._headers = people.administrator

    async def send(self, content: str | bytes, query: str = "") -> httpx.Response:
        body = content.encode() if isinstance(content, str) else content
        path = f"/api/people/import{query}"
        return await self._users.post(path, content=body, headers=self._headers)

    async def preview(self, content: str) -> dict[str, Any]:
        response = await self.send(content)
        assert response.status_code == 200, response.text
        seen: dict[str, Any] = response.json()
        return seen

    async def apply(self, content: str) -> dict[str, Any]:
        """Applies a file whose preview has no errors."""
        digest = (await self.preview(content))["digest"]
        response = await self.send(content, f"?apply=true&digest={digest}")
        assert response.status_code == 200, response.text
        done: dict[str, Any] = response.json()
        return done

    async def exported(self) -> dict[int, dict[str, str]]:
        """The rows of the export by id, as a spreadsheet reads them."""
        response = await self._users.get("/api/people.csv", headers=self._headers)
        assert response.headers["content-type"].startswith("text/csv")
        rows = csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline=""))
        return {int(row["id"]): row for row in rows}


@pytest.fixture
def files(users: httpx.AsyncClient, people: People) -> Files:
    return Files(users, people)


async def listed(users: httpx.AsyncClient, people: People, user_id: int) -> dict[str, Any]:
    response = await users.get(f"/api/people?query={user_id}", headers=people.administrator)
    (found,) = [person for person in response.json()["people"] if person["id"] == user_id]
    entry: dict[str, Any] = found
    return entry


async def test_a_preview_says_what_each_row_does_and_changes_nothing(
    users: httpx.AsyncClient, people: People, files: Files
) -> None:
    ann, boris, left = [await people.register(f"Preview {number}") for number in range(3)]
    await users.delete(f"/api/users/{left}", headers=people.administrator)
    before = await files.exported()

    seen = await files.preview(
        "id,name,department,active\n"
        f"{ann},Preview 0,Bridges,true\n"
        f"{boris},Preview 1,,false\n"
        f"{left},,,yes\n"
        ",Preview 3,,\n"
        "1,,,\n"
    )

    rows = {row["line"]: row for row in seen["rows"]}
    assert {line: row["action"] for line, row in rows.items()} == {
        **{2: "change", 3: "deactivate", 4: "reactivate", 5: "create", 6: "unchanged"}
    }
    assert rows[2]["changes"] == [{"field": "department", "old": None, "new": "Bridges"}]
    assert rows[3]["changes"] == [{"field": "active", "old": True, "new": False}]
    assert rows[5]["changes"] == [{"field": "name", "old": None, "new": "Preview 3"}]
    assert (rows[2]["user_id"], rows[5]["user_id"]) == (ann, None)
    assert seen["counts"] == dict.fromkeys(
        ("change", "deactivate", "reactivate", "create", "unchanged"), 1
    )
    assert (seen["applied"], seen["invitations"]) == (False, [])
    assert await files.exported() == before


async def test_an_import_does_what_its_preview_said_and_records_it(
    users: httpx.AsyncClient, people: People, files: Files, apart: Instance
) -> None:
    ann, boris, left = [await people.register(f"Applied {number}") for number in range(3)]
    await users.put(f"/api/users/{left}/roles/moderator", headers=people.administrator)
    await users.delete(f"/api/users/{left}", headers=people.administrator)

    done = await files.apply(
        "id;external_id;name;title;moderator;announcer;active\n"
        f"{ann};E-1;Applied Zero;Engineer;true;;\n"
        f"{boris};;;;;;false\n"
        f"{left};;;;;true;true\n"
        ";E-2;Newcomer Applied;;;;\n"
    )

    (invited,) = done["invitations"]
    newcomer = invited["user_id"]
    assert (invited["line"], invited["name"], done["applied"]) == (5, "Newcomer Applied", True)
    assert [row["action"] for row in done["rows"]] == [
        *("change", "deactivate", "reactivate", "create")
    ]
    of = {each: await listed(users, people, each) for each in (ann, boris, left, newcomer)}
    assert (of[ann]["name"], of[ann]["title"], of[ann]["roles"]) == (
        *("Applied Zero", "Engineer"),
        ["moderator"],
    )
    assert (of[boris]["deactivated_at"] is not None, of[boris]["keys"]) == (True, 0)
    assert (of[left]["deactivated_at"], of[left]["roles"]) == (None, ["announcer"])
    assert (of[newcomer]["external_id"], of[newcomer]["keys"]) == ("E-2", 0)
    found = await users.get("/api/users?query=newcomer appl", headers=signed(ann))
    assert [user["id"] for user in found.json()["users"]] == [newcomer]
    entries = await audit_entries(users, people, "?limit=9")
    assert [(entry["subject_id"], entry["deed"]) for entry in reversed(entries)] == [
        *((ann, "renamed"), (ann, "profile_changed"), (ann, "role_given")),
        (boris, "deactivated"),
        *((left, "reactivated"), (left, "role_taken"), (left, "role_given")),
        *((newcomer, "registered"), (newcomer, "invited")),
    ]
    async with postgres.connect(apart.service_environment("users")) as connection:
        events = await connection.fetch(
            "select id, routing_key, (payload ->> 'user_id')::bigint as user_id from outbox"
            " order by id desc limit 6"
        )
        version = await connection.fetchval(
            "select name_version from person where id = $1", newcomer
        )
    assert [(event["routing_key"], event["user_id"]) for event in reversed(events)] == [
        *(("user.renamed.v1", ann), ("key.revoked.v1", ann)),
        ("user.deactivated.v1", boris),
        *(("user.reactivated.v1", left), ("key.revoked.v1", left)),
        ("user.registered.v1", newcomer),
    ]
    assert version == events[0]["id"]


async def test_a_newcomer_is_found_again_by_the_external_id(
    users: httpx.AsyncClient, people: People, files: Files
) -> None:
    (invited,) = (await files.apply("external_id,name\nE-77,Before Marriage\n"))["invitations"]

    again = await files.apply("external_id,name\nE-77,After Marriage\n")

    assert again["rows"][0]["user_id"] == invited["user_id"]
    assert [row["action"] for row in again["rows"]] == ["change"]
    assert (await listed(users, people, invited["user_id"]))["name"] == "After Marriage"


async def test_what_is_exported_imports_unchanged(
    users: httpx.AsyncClient, people: People, files: Files
) -> None:
    ann = await people.register("=cmd|' /C calc'!A1")
    texts = {"title": "'+1", "about": '-2+3, "quoted"; @x'}
    await users.patch(f"/api/users/{ann}", json=texts, headers=signed(ann))
    row = (await files.exported())[ann]
    content = (await users.get("/api/people.csv", headers=people.administrator)).text

    seen = await files.preview(content)

    assert row["name"] == "'=cmd|' /C calc'!A1"
    assert (row["title"], row["about"]) == ("''+1", '\'-2+3, "quoted"; @x')
    assert set(seen["counts"]) == {"unchanged"}


@given(st.text(alphabet="'=+-@a \t", max_size=5))
def test_a_cell_is_read_as_it_was_and_never_as_a_formula(text: str) -> None:
    row = {**dict.fromkeys(people_csv.COLUMNS), "name": text, "about": "x"}

    content = people_csv.write([row])
    (parsed,) = people_csv.parse(content.encode())

    assert parsed.cells["name"] == text
    (_, written) = csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""))
    assert not written[people_csv.COLUMNS.index("name")].startswith(("=", "+", "-", "@", "\t"))


@pytest.mark.parametrize(
    ("cells", "column", "error"),
    [
        ("900000,,x,,,", "id", "UserNotFound"),
        ("x,,x,,,", "id", "UserNotFound"),
        (",E-9,,,,", "name", "NameNotAccepted"),
        (",,\u202ex,,,", "name", "NameNotAccepted"),
        (f",,x,{'a' * 101},,", "title", "ProfileTextNotAccepted"),
        (",,x,,perhaps,", "moderator", "CellNotUnderstood"),
        (",,x,,,false", "active", "NewcomerInactive"),
        ("{ann},TAKEN,,,,", "external_id", "ExternalIdTaken"),
        ("{left},,,,true,", "moderator", "PersonNotActive"),
        ("{erased},,x,,,", "id", "PersonErased"),
        ("1,,,,,false", "active", "CannotDeactivateYourself"),
    ],
)
async def test_a_row_with_an_error_keeps_the_whole_file_from_being_applied(
    users: httpx.AsyncClient, people: People, files: Files, cells: str, column: str, error: str
) -> None:
    ann, left, erased = [await people.register(f"Refused {number}") for number in range(3)]
    await users.delete(f"/api/users/{left}", headers=people.administrator)
    draft = {"user_id": erased, "name": "Refused 2"}
    await users.post("/api/erasures", json=draft, headers=people.administrator)
    await console.import_people(b"external_id,name\nTAKEN,Owner", is_applied=True)
    row = cells.format(ann=ann, left=left, erased=erased)
    content = f"id,external_id,name,title,moderator,active\n{row}\n{ann},,Renamed,,,\n"

    seen = await files.preview(content)
    applied = await files.send(content, f"?apply=true&digest={'0' * 64}")

    refused = seen["rows"][0]
    assert (refused["action"], seen["digest"]) == ("error", None)
    assert (column, error) in [(each["column"], each["error_type"]) for each in refused["errors"]]
    assert (applied.status_code, applied.json()["error_type"]) == (409, "ImportHasErrors")
    assert (await listed(users, people, ann))["name"] == "Refused 0"


async def test_a_row_of_empty_cells_is_no_row(files: Files) -> None:
    assert (await files.preview("id,name\n,\n , \n"))["rows"] == []


async def test_each_person_has_one_row(people: People, files: Files) -> None:
    ann = await people.register("Ann")

    seen = await files.preview(f"id,external_id,name\n{ann},,A\n{ann},,B\n,E-5,C\n,E-5,D\n")

    assert [[each["error_type"] for each in row["errors"]] for row in seen["rows"]] == [
        *([], ["PersonRepeated"]),
        *([], ["PersonRepeated"]),
    ]


async def test_a_preview_that_is_out_of_date_is_not_applied(
    users: httpx.AsyncClient, people: People, files: Files
) -> None:
    ann = await people.register("Ann")
    content = f"id,title\n{ann},Engineer\n"
    digest = (await files.preview(content))["digest"]
    await users.patch(f"/api/users/{ann}", json={"title": "Manager"}, headers=signed(ann))

    outdated = await files.send(content, f"?apply=true&digest={digest}")
    other_file = await files.send(f"id,title\n{ann},Director\n", f"?apply=true&digest={digest}")
    without = await files.send(content, "?apply=true")

    assert [answer.json()["error_type"] for answer in (outdated, other_file, without)] == [
        *("ImportOutdated", "ImportOutdated"),
        "InvalidRequest",
    ]
    assert (await listed(users, people, ann))["title"] == "Manager"


@pytest.mark.parametrize(
    "content",
    [
        b"id,name\n1,\xff",
        b"id,name,salary\n1,x,1",
        b"id,id\n1,1",
        b"active\ntrue",
        b"",
        b"id,name\n1",
        b'id,name\n1,"x',
        b"name\n" + b"x\n" * 5_001,
    ],
)
async def test_what_is_no_file_of_people_is_refused(files: Files, content: bytes) -> None:
    response = await files.send(content)

    assert (response.status_code, response.json()["error_type"]) == (422, "ImportNotAccepted")


async def test_a_file_that_is_too_large_is_refused(files: Files) -> None:
    response = await files.send(b"name\n" + b"x" * 1_000_000)

    assert response.status_code == 413


@pytest.fixture
async def connection(users: httpx.AsyncClient, apart: Instance) -> asyncpg.Connection:
    async with postgres.connect(apart.service_environment("users")) as connection:
        yield connection


async def test_administrators_may_be_replaced_but_not_all_taken_away(
    users: httpx.AsyncClient, people: People, files: Files, connection: asyncpg.Connection
) -> None:
    ann, boris, clara = [await people.register(f"Admin {number}") for number in range(3)]
    before = [
        row["id"] for row in await connection.fetch("select id from person where administrator")
    ]
    await connection.execute("update person set administrator = id in ($1, $2)", ann, boris)

    taken = await files.preview(f"id,administrator,active\n{ann},false,\n{boris},,false\n")
    replaced = await files.preview(
        f"id,administrator,active\n{ann},false,\n{boris},,false\n{clara},true,\n"
    )

    assert [each["errors"][0]["error_type"] for each in taken["rows"]] == ["LastAdministrator"] * 2
    assert replaced["digest"] is not None
    await connection.execute("update person set administrator = id = any($1)", before)


@pytest.mark.slow
async def test_five_thousand_newcomers_are_registered_by_one_file(
    users: httpx.AsyncClient, files: Files, connection: asyncpg.Connection
) -> None:
    content = "name,department\n" + "".join(f"Recruit {n},Bridges\n" for n in range(5_000))

    done = await files.apply(content)

    assert len({each["invitation"] for each in done["invitations"]}) == 5_000
    first = done["invitations"][0]["user_id"]
    announced = await connection.fetchval(
        "select count(*) from outbox join person on person.name_version = outbox.id"
        " where person.id >= $1 and payload ->> 'name' = person.name"
        " and (payload ->> 'user_id')::bigint = person.id",
        first,
    )
    assert announced == 5_000


async def test_an_operator_previews_and_applies_a_file(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    content = f"id,name\n{ann},Ann\n,Zoe Console\n".encode()

    seen = await console.import_people(content, is_applied=False)
    done = await console.import_people(content, is_applied=True)
    exported = await console.export_people()

    assert "line 3: create Zoe Console" in seen
    assert "nothing has changed. create: 1, unchanged: 1." in seen
    assert "Zoe Console: /invitation#" in done
    assert "Zoe Console" in exported
    (latest, *_) = await audit_entries(users, people, "?limit=1")
    assert (latest["deed"], latest["actor_id"]) == ("invited", None)


async def test_only_administrators_export_and_import(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    headers = testing.identity_headers("users", ann)

    exported = await users.get("/api/people.csv", headers=headers)
    imported = await users.post("/api/people/import", content="name\nx", headers=headers)

    assert {answer.json()["error_type"] for answer in (exported, imported)} == {
        "NotAnAdministrator"
    }
