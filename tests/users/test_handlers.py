"""What users stores of a person's picture depends neither on the order nor on the repetition of
events."""

import itertools
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.users.events import ModerationActed, PersonPictured, PicturePaths
from services.users.handlers import subscriptions
from services.users.settings import Settings

from .conftest import People
from .test_api import signed
from .test_audit import audit_entries


@pytest.fixture
async def database(as_service: Callable[[str], None]) -> AsyncIterator[Database]:
    as_service("users")
    database = Database(Settings())
    yield database
    await database.close()


event_numbers = itertools.count(1)


async def deliver(
    database: Database, user_id: int, name: str | None, number: int, actor_id: int | None = None
) -> None:
    """Delivers the event that the person has a picture of this name, or none."""
    picture = name and paths(name)
    event = PersonPictured(actor_id=actor_id or user_id, user_id=user_id, picture=picture)
    await testing.deliver(database, subscriptions, event.routing_key, event, number, "media")


def paths(name: str) -> PicturePaths:
    return PicturePaths(
        small=f"/uploads/{name}s", medium=f"/uploads/{name}m", large=f"/uploads/{name}"
    )


async def picture_of(database: Database, user_id: int) -> object:
    async with database.transaction() as session:
        statement = text("select picture from person where id = :id")
        return (await execute(session, statement, {"id": user_id})).scalar_one()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_latest_picture_stays_in_whatever_order_the_events_arrive(
    people: People, database: Database, order: tuple[int, ...]
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")
    numbers = [next(event_numbers) for _ in range(6)]

    for index in order:
        await deliver(database, ann, ("first", None, "last")[index], numbers[index])
        await deliver(database, boris, ("first", "second", None)[index], numbers[3 + index])

    assert await picture_of(database, ann) == paths("last").model_dump()
    assert await picture_of(database, boris) is None


async def test_an_erased_person_has_no_picture_and_gets_none(
    users: httpx.AsyncClient, people: People, database: Database
) -> None:
    ann = await people.register("Ann")
    await deliver(database, ann, "before", next(event_numbers))
    draft = {"user_id": ann, "name": "Ann"}
    response = await users.post("/api/erasures", json=draft, headers=people.administrator)
    assert response.status_code == 202

    assert await picture_of(database, ann) is None
    await deliver(database, ann, "late", next(event_numbers))
    assert await picture_of(database, ann) is None


async def test_only_a_change_by_an_administrator_is_in_the_audit_log(
    users: httpx.AsyncClient, people: People, database: Database
) -> None:
    ann, boss = await people.register("Ann"), await people.register("Boss")

    await deliver(database, ann, "own", next(event_numbers))
    await deliver(database, ann, None, next(event_numbers), actor_id=boss)

    entries = await audit_entries(users, people, "?limit=100")
    changes = [entry for entry in entries if entry["deed"] == "picture_changed"]
    assert [(entry["actor_id"], entry["subject_id"]) for entry in changes] == [(boss, ann)]


async def test_what_a_moderator_did_is_in_the_audit_log_once(
    users: httpx.AsyncClient, people: People, database: Database
) -> None:
    author, moderator = await people.register("Ann"), await people.register("Boss")
    number = next(event_numbers)
    event = ModerationActed(
        actor_id=moderator, action="tweet_hidden", subject_id=author, object_id=31
    )

    for _ in range(2):
        await testing.deliver(database, subscriptions, event.routing_key, event, number, "tweets")

    query = f"?action=tweet_hidden&subject={author}"
    (entry,) = await audit_entries(users, people, query)
    assert (entry["actor_id"], entry["object_id"]) == (moderator, 31)


async def test_a_profile_and_lists_of_people_have_the_picture_only_if_there_is_one(
    users: httpx.AsyncClient, people: People, database: Database
) -> None:
    ann, boris = await people.register("Ann Pictured"), await people.register("Boris Pictured")
    await users.post(f"/api/users/{boris}/follow", headers=signed(ann))
    await users.post(f"/api/users/{ann}/follow", headers=signed(boris))
    await deliver(database, ann, "ann", next(event_numbers))

    assert (await people.profile(ann))["picture"] == paths("ann").model_dump()
    assert "picture" not in await people.profile(boris)
    for path in (
        "/api/users?query=pictured",
        "/api/users?query=пиктуред",
        "/api/users?limit=100",
        f"/api/users/{boris}/followers",
        f"/api/users/{boris}/following",
        f"/api/users/{ann}/followers",
    ):
        listed = (await users.get(path, headers=signed(ann))).json()["users"]
        pictures = {person["id"]: person.get("picture", "none") for person in listed}
        assert pictures.get(ann, paths("ann").model_dump()) == paths("ann").model_dump()
        assert pictures.get(boris, "none") == "none"
        assert pictures.keys() & {ann, boris}
