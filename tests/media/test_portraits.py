"""Pictures of people: who may change them, what is stored, and what is deleted."""

import asyncio
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.media import jobs
from services.media.decoder_process import Decoder
from services.media.events import UserErased
from services.media.handlers import subscriptions
from services.media.pictures import BudgetExceeded, LimitExceeded, NotAPicture
from services.media.privacy import eraser

from . import crafted, samples
from .test_decoder_process import LIMITS

SIDES = {"small": 48, "medium": 128, "large": 400}


def signed(user_id: int, **rights: Any) -> dict[str, str]:
    return testing.identity_headers("media", user_id, **rights)


async def put(
    media: httpx.AsyncClient, user_id: int, content: bytes, **fields: Any
) -> httpx.Response:
    files = {"file": ("x", content, "image/png")}
    path = f"/api/users/{user_id}/picture"
    return await media.put(path, files=files, data=fields, headers=signed(user_id))


async def portrait(
    media: httpx.AsyncClient, user_id: int, content: bytes, **fields: Any
) -> dict[str, str]:
    response = await put(media, user_id, content, **fields)
    assert response.status_code == 200, response.text
    return dict(response.json()["picture"])


async def image(media: httpx.AsyncClient, path: str) -> Image.Image:
    response = await media.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/webp")
    opened = Image.open(io.BytesIO(response.content))
    opened.load()
    return opened


def quarters(width: int, height: int, orientation: int = 1) -> bytes:
    """Red, green, blue and white, from the upper left corner to the lower right one."""
    picture = Image.new("RGB", (width, height), "white")
    picture.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    picture.paste((0, 255, 0), (width // 2, 0, width, height // 2))
    picture.paste((0, 0, 255), (0, height // 2, width // 2, height))
    exif = Image.Exif()
    exif[samples.ORIENTATION] = orientation
    out = io.BytesIO()
    picture.save(out, "PNG", exif=exif)
    return out.getvalue()


def colour(picture: Image.Image) -> tuple[int, ...]:
    """The colour of the middle, rounded, because the format is lossy."""
    pixel = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(round(part / 255) for part in pixel)


async def test_a_picture_is_stored_as_three_squares_without_metadata(
    media: httpx.AsyncClient,
) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        picture = await portrait(media, 1, samples.picture(kind, 900, 600))

        for size, side in SIDES.items():
            stored = await image(media, picture[size])
            assert stored.size == (side, side)
            assert not stored.getexif()
            content = (await media.get(picture[size])).content
            assert samples.COMMENT not in content


@pytest.mark.parametrize(
    ("orientation", "corners"),
    [(1, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]), (6, [(0, 0, 1), (1, 0, 0), (1, 1, 1)])],
)
async def test_the_square_is_one_of_the_upright_picture(
    media: httpx.AsyncClient, orientation: int, corners: list[tuple[int, ...]]
) -> None:
    content = quarters(800, 800, orientation)
    seen = []

    for x, y in ((0, 0), (400, 0), (0, 400)):
        picture = await portrait(media, 1, content, x=x, y=y, size=400)
        seen.append(colour(await image(media, picture["large"])))

    assert seen == corners


async def test_without_a_square_the_centre_is_taken_and_a_small_picture_stays_small(
    media: httpx.AsyncClient,
) -> None:
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste((0, 0, 255), (30, 0, 60, 30))
    out = io.BytesIO()
    wide.save(out, "PNG")

    picture = await portrait(media, 1, out.getvalue())

    large = await image(media, picture["large"])
    assert large.size == (30, 30)
    assert large.convert("RGB").getcolors() == [(900, (0, 0, 255))]


@pytest.mark.parametrize(
    "square",
    [
        {"x": 1, "y": 0, "size": 40},
        {"x": 0, "y": 21, "size": 20},
        {"x": 0, "y": 0, "size": 0},
        {"x": 0, "y": 0},
        {"size": 10},
        {"x": 10_000_000, "y": 10_000_000, "size": 10_000_000},
    ],
)
async def test_a_square_that_is_not_in_the_picture_is_refused(
    media: httpx.AsyncClient, square: dict[str, int]
) -> None:
    response = await put(media, 1, quarters(40, 40), **square)

    assert (response.status_code, response.json()["error_type"]) == (422, "SquareNotAccepted")


async def test_people_change_their_own_picture_and_administrators_any(
    media: httpx.AsyncClient, database: Database
) -> None:
    ann, boris, boss = 71, 72, 73
    before = await portrait(media, ann, samples.picture("PNG"))
    files = {"file": ("x.png", samples.picture("JPEG"), "image/png")}
    path = f"/api/users/{ann}/picture"

    refused = [
        await media.put(path, files=files, headers=signed(boris)),
        await media.delete(path, headers=signed(boris)),
    ]
    assert {(each.status_code, each.json()["error_type"]) for each in refused} == {
        (403, "NotYourPicture")
    }
    assert (await media.get(before["small"])).status_code == 200

    replaced = await media.put(path, files=files, headers=signed(boss, administrator=True))
    assert replaced.status_code == 200
    for _ in range(2):
        deleted = await media.delete(path, headers=signed(boss, administrator=True))
        assert deleted.status_code == 200

    after = replaced.json()["picture"]
    for shown in (*before.values(), *after.values()):
        assert (await media.get(shown)).status_code == 404
    assert await picture_events(database, ann) == [(ann, before), (boss, after), (boss, None)]


async def picture_events(
    database: Database, user_id: int
) -> list[tuple[int, dict[str, str] | None]]:
    """Actors and pictures of the person's events, the first one first."""
    statement = text(
        "select payload from outbox where routing_key = 'person.pictured.v1'"
        " and payload -> 'user_id' = to_jsonb(cast(:id as bigint)) order by id"
    )
    async with database.transaction() as session:
        payloads = (await execute(session, statement, {"id": user_id})).scalars()
        return [(payload["actor_id"], payload["picture"]) for payload in payloads]


async def test_of_several_changes_at_once_the_last_event_tells_of_the_picture_that_stays(
    media: httpx.AsyncClient, database: Database
) -> None:
    ann = 81

    changed = await asyncio.gather(
        *(put(media, ann, samples.picture("PNG")) for _ in range(4)),
        media.delete(f"/api/users/{ann}/picture", headers=signed(ann)),
    )

    assert {response.status_code for response in changed} == {200}
    _, last = (await picture_events(database, ann))[-1]
    served = {
        path
        for response in changed
        for path in response.json().get("picture", {}).values()
        if (await media.get(path)).status_code == 200
    }
    assert served == set((last or {}).values())


async def test_old_pictures_are_purged_from_the_store_and_the_sweep_spares_the_new_one(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    old = await portrait(media, 91, samples.picture("PNG"))
    new = await portrait(media, 91, samples.picture("PNG"))
    storage = app.state.storage

    for _ in range(2):
        await jobs.purge_removed_once(database, storage)
    await jobs.sweep_orphans_once(database, storage, timedelta(days=-1))

    stored = set(await storage.names_before(datetime.now(UTC) + timedelta(days=1)))
    assert not {path.rpartition("/")[2] for path in old.values()} & stored
    assert {path.rpartition("/")[2] for path in new.values()} <= stored


async def test_an_erased_persons_picture_is_deleted_and_its_names_are_forgotten(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    zoe, ann = 101, 102
    pictures = [await portrait(media, zoe, samples.picture("PNG")) for _ in range(2)]
    other = await portrait(media, ann, samples.picture("PNG"))
    event = UserErased(user_id=zoe)
    await testing.deliver(database, subscriptions, event.routing_key, event, 910_101, "users")

    assert await eraser(app.state.storage).run_pass(database, None, zoe, timedelta(0))

    paths = {path for picture in pictures for path in picture.values()}
    names = {path.rpartition("/")[2] for path in paths}
    stored = set(await app.state.storage.names_before(datetime.now(UTC) + timedelta(days=1)))
    assert not names & stored
    assert (await media.get(other["large"])).status_code == 200
    assert [picture for _, picture in await picture_events(database, zoe)] == [None, None]
    async with database.transaction() as session:
        rows = await execute(session, text("select user_id from portrait"))
        assert zoe not in set(rows.scalars())


async def test_each_crafted_file_becomes_a_harmless_portrait_or_is_refused() -> None:
    decoder = Decoder(LIMITS, 2)
    for name, content in crafted.files():
        try:
            files = await decoder.portrait(content, None)
        except (NotAPicture, LimitExceeded, BudgetExceeded):
            assert not name.startswith("a "), name
            continue
        for size, side in SIDES.items():
            encoded: bytes = getattr(files, size)
            assert crafted.MARK not in encoded
            with Image.open(io.BytesIO(encoded)) as stored:
                assert stored.format == "WEBP"
                assert stored.width == stored.height <= side
                assert not stored.info.keys() & {"icc_profile", "xmp", "comment", "exif"}
