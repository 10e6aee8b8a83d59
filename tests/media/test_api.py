"""Uploads and downloads, as the gateway sees the service."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.media.settings import Settings
from services.media.storage import Storage

from . import samples

ANN = 1


def signed(user_id: int = ANN) -> dict[str, str]:
    return testing.identity_headers("media", user_id)


async def upload(media: httpx.AsyncClient, content: bytes, **fields: Any) -> httpx.Response:
    files = {"file": ("x.png", content, "image/png")}
    return await media.post("/api/medias", files=files, data=fields, headers=signed())


async def upload_record(media: httpx.AsyncClient, content: bytes, **fields: Any) -> dict[str, Any]:
    """Uploads a picture; returns its record."""
    response = await upload(media, content, **fields)
    assert response.status_code == 201, response.text
    media_id = response.json()["media_id"]
    found = await media.get(
        f"/internal/media?ids={media_id}", headers=testing.identity_headers("tweets", ANN)
    )
    (record,) = found.json()["media"]
    assert (record["id"], record["owner_id"]) == (media_id, ANN)
    return dict(record)


async def uploaded(media: httpx.AsyncClient, content: bytes) -> tuple[int, str]:
    """Uploads a picture; returns its id and its path."""
    record = await upload_record(media, content)
    return record["id"], record["path"]


async def test_a_description_is_stored_without_control_characters(media: httpx.AsyncClient) -> None:
    content = samples.picture("PNG")

    assert (await upload_record(media, content, alt="  Красный и 🔵 "))["alt"] == "Красный и 🔵"
    assert (await upload_record(media, content, alt=f" {'é' * 1000} "))["alt"] == "é" * 1000
    pasted = await upload_record(media, content, alt="\x1b[1mA\x07 red\r\nkite\x9f")
    assert pasted["alt"] == "A red\nkite"
    assert (await upload_record(media, content))["alt"] == ""


@pytest.mark.parametrize(
    ("alt", "charset"), [(b"x" * 1001, "utf-8"), (b"a\0b", "utf-8"), (b"+2AA-", "utf-7")]
)
async def test_a_description_that_cannot_be_stored_is_refused(
    media: httpx.AsyncClient, alt: bytes, charset: str
) -> None:
    parts = {b'name="alt"': alt, b'name="file"; filename="x.png"': samples.picture("PNG")}
    body = b"".join(
        b"--x\r\ncontent-disposition: form-data; %b\r\n\r\n%b\r\n" % part for part in parts.items()
    )
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}

    response = await media.post("/api/medias", content=body + b"--x--", headers=signed() | kind)

    assert (response.status_code, response.json()["error_type"]) == (422, "AltNotAccepted")


async def test_a_picture_without_a_thumbnail_is_its_own_thumbnail(
    media: httpx.AsyncClient, database: Database
) -> None:
    media_id, path = await uploaded(media, samples.picture("PNG"))
    forget = "update media set thumbnail = null, thumbnail_size = null where id = :id"
    async with database.transaction() as session:
        await execute(session, text(forget), {"id": media_id})

    found = await media.get(
        f"/internal/media?ids={media_id}", headers=testing.identity_headers("tweets", ANN)
    )

    assert found.json()["media"][0]["thumbnail"] == path
    assert (await media.get(path)).status_code == 200


async def test_a_body_larger_than_any_picture_is_refused_before_it_is_read(
    media: httpx.AsyncClient,
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="x.png"\r\n\r\n'
        while sent < 100:
            sent += 1
            yield bytes(1_000_000)

    headers = {**signed(), "content-type": "multipart/form-data; boundary=x"}
    response = await media.post("/api/medias", content=endless(), headers=headers)

    assert (response.status_code, response.json()["error_type"]) == (413, "PayloadTooLarge")
    assert response.json()["error_message"] == (
        "The request is too large: more than 12 MB. The limit is 12 MB."
    )
    assert sent < 20


@pytest.mark.parametrize(
    "name", ["", '; filename=""', "; filename*=UTF-8''a.png", '; filename="a"; filename*=x']
)
async def test_a_picture_needs_no_file_name(media: httpx.AsyncClient, name: str) -> None:
    head = f'--x\r\ncontent-disposition: form-data; name="file"{name}\r\n\r\n'
    words = '\r\n--x\r\ncontent-disposition: form-data; name="alt"\r\n\r\nA dog\r\n--x--\r\n'
    # Larger than the limit for a field of a form.
    content = samples.noise(300, 300)
    headers = {**signed(), "content-type": "multipart/form-data; boundary=x"}

    response = await media.post(
        "/api/medias", content=head.encode() + content + words.encode(), headers=headers
    )

    assert response.status_code == 201, response.text


async def test_an_upload_without_a_file_is_refused(media: httpx.AsyncClient) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {"files": {"other": ("x.png", b"", "image/png")}},
        {"data": {"file": "text"}},
        {"json": {}},
        {"content": b"file=text", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {"content-type": "multipart/form-data"}},
        {"data": {"alt": "x" * 20_000}, "files": {"file": ("x.png", b"", "image/png")}},
        {"data": {f"a{number}": "" for number in range(50)}},
        {"files": {f"a{number}": ("x.png", b"", "image/png") for number in range(50)}},
    )
    for body in bodies:
        headers = {**signed(), **body.pop("headers", {})}
        response = await media.post("/api/medias", headers=headers, **body)

        assert (response.status_code, response.json()["result"]) == (422, False), body


async def test_a_picture_is_served_in_ranges_and_cached_by_clients(
    media: httpx.AsyncClient,
) -> None:
    _, path = await uploaded(media, samples.picture("PNG"))
    whole = await media.get(path)
    size = len(whole.content)
    etag = whole.headers["etag"]

    async def get(**headers: str) -> httpx.Response:
        return await media.get(
            path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    assert whole.headers["content-length"] == str(size)
    assert "immutable" in whole.headers["cache-control"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    policy = "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert whole.headers["content-security-policy"] == policy
    assert whole.headers["cross-origin-resource-policy"] == "same-origin"
    for header, expected in {
        "bytes=0-9": whole.content[:10],
        "bytes=10-": whole.content[10:],
        "bytes=-5": whole.content[-5:],
        f"bytes=0-{size * 2}": whole.content,
    }.items():
        part = await get(range=header)
        assert (part.status_code, part.content) == (206, expected), header
        assert part.headers["content-range"].endswith(f"/{size}")
    for header in ("bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "rubbish"):
        assert (await get(range=header)).content == whole.content
    for header in (f"bytes={size}-", "bytes=-0"):
        beyond = await get(range=header)
        assert (beyond.status_code, beyond.json()["error_type"]) == (416, "RangeNotSatisfiable")
        assert beyond.headers["content-range"] == f"bytes */{size}"
    assert (await get(if_none_match=f'W/{etag}, "x"')).status_code == 304
    assert (await get(range="bytes=0-9", if_range='"other"')).status_code == 200
    head = await media.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(size))


@pytest.mark.parametrize("name", ["none.png", "..%2f..%2fetc%2fpasswd", "%00", "a" * 3000])
async def test_an_unknown_name_is_not_found(media: httpx.AsyncClient, name: str) -> None:
    response = await media.get(f"/uploads/{name}")

    assert response.status_code == 404


async def test_only_tweets_can_read_the_records(media: httpx.AsyncClient) -> None:
    media_id, _ = await uploaded(media, samples.picture("PNG"))
    for headers in (
        {},
        {"warble-identity": "x"},
        signed(ANN),
        testing.identity_headers("users", ANN),
    ):
        response = await media.get(f"/internal/media?ids={media_id}", headers=headers)

        assert response.status_code == 401


async def test_while_the_store_is_unavailable_an_upload_is_refused_and_leaves_no_record(
    media: httpx.AsyncClient, app: FastAPI, database: Database, unused_tcp_port: int
) -> None:
    settings: Settings = app.state.settings
    away = settings.model_copy(update={"s3_endpoint": f"127.0.0.1:{unused_tcp_port}"})
    app.state.storage = Storage(away)
    count = text("select count(*) from media")
    async with database.transaction() as session:
        before = (await execute(session, count)).scalar_one()

    response = await upload(media, samples.picture("PNG"))

    assert (response.status_code, response.json()["error_type"]) == (503, "ServiceUnavailable")
    assert "retry-after" in response.headers
    async with database.transaction() as session:
        assert (await execute(session, count)).scalar_one() == before


async def test_an_upload_that_cannot_be_recorded_leaves_no_object(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    forbid = "alter table media add constraint nothing_more check (size < 0) not valid"
    allow = "alter table media drop constraint nothing_more"
    async with database.transaction() as session:
        await execute(session, text(forbid))
    try:
        response = await upload(media, samples.picture("PNG"))
    finally:
        async with database.transaction() as session:
            await execute(session, text(allow))

    assert (response.status_code, response.json()["error_type"]) == (500, "InternalError")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert await app.state.storage.names_before(tomorrow) == []
