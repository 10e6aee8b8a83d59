"""An archive is whole or seen to be cut off, and one that ends makes room for the next."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .neighbours import Made, owner_of_any_key

KEY = {"api-key": "a key"}


async def lists(request: Request) -> Response:
    if request.url.path.startswith("/internal/keys/"):
        return await owner_of_any_key(request)
    if request.url.path.startswith("/uploads/gone"):
        return JSONResponse({"result": False}, 404)
    if request.url.path.startswith("/uploads/"):
        return Response(bytes(300_000), media_type="image/png")
    if request.url.path.endswith("/pictures"):
        return Response(b'[{"file":"a.png"},\n{"file":"gone.png"},\n{"file":"b.png"}]\n')
    return Response(b"[]\n")


async def test_a_picture_that_is_gone_meanwhile_is_left_out(edge: Made) -> None:
    async with edge(users=lists, tweets=lists, media=lists) as made:
        answer = await made.client.get("/api/export", headers=KEY)

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        pictures = [name for name in archive.namelist() if name.startswith("pictures/")]
        assert pictures == ["pictures/a.png", "pictures/b.png"]
        assert archive.read("pictures/a.png") == bytes(300_000)


async def test_a_service_that_is_away_is_an_error_before_and_a_cut_after_the_beginning(
    edge: Made,
) -> None:
    async def broken(request: Request) -> Response:
        return JSONResponse({"result": False}, 500)

    async def no_users(request: Request) -> Response:
        if request.url.path.startswith("/internal/keys/"):
            return await owner_of_any_key(request)
        return JSONResponse({"result": False}, 500)

    async with edge(users=no_users, tweets=lists, media=lists) as made:
        before = await made.client.get("/api/export", headers=KEY)
        again = await made.client.get("/api/export", headers=KEY)
    async with edge(users=lists, tweets=broken, media=lists) as made:
        after = await made.client.get("/api/export", headers=KEY)

    for answer in (before, again):
        assert (answer.status_code, answer.json()["error_type"]) == (502, "BadGateway")
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(after.content))


async def test_a_second_archive_of_the_same_person_waits_for_the_first(edge: Made) -> None:
    going_on = asyncio.Event()

    async def slow(request: Request) -> Response:
        async def rows() -> AsyncIterator[bytes]:
            yield b"["
            await going_on.wait()
            yield b"]\n"

        return StreamingResponse(rows())

    async with edge(users=lists, tweets=slow, media=lists) as made:
        first = asyncio.create_task(made.client.get("/api/export", headers=KEY))
        while not made.neighbours["tweets"].asked:
            await asyncio.sleep(0)
        second = await made.client.get("/api/export", headers=KEY)
        going_on.set()
        whole = await first
        third = await made.client.get("/api/export", headers=KEY)

    assert (second.status_code, second.json()["error_type"]) == (409, "ExportUnderWay")
    for answer in (whole, third):
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


async def test_an_archive_that_nobody_takes_any_more_makes_room(edge: Made) -> None:
    async def endless(request: Request) -> Response:
        async def rows() -> AsyncIterator[bytes]:
            while True:
                # A server that nobody listens to any more is told so in its turn.
                await asyncio.sleep(0)
                yield bytes(10_000)

        return StreamingResponse(rows())

    async with edge(users=lists, tweets=endless, media=lists) as made:
        taking = asyncio.create_task(made.client.get("/api/export", headers=KEY))
        while not made.neighbours["tweets"].asked:
            await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        made.neighbours["tweets"].behaviour = lists
        answer: httpx.Response = await made.client.get("/api/export", headers=KEY)

    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
