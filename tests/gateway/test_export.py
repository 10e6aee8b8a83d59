"""An archive is complete or visibly cut off, and its end makes room for the next one."""

import asyncio
import importlib
import io
import zipfile
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from gateway.export import LISTS

from .fake_services import StartGateway, owner_of_any_key

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
    if request.url.path.endswith("/portrait"):
        return Response(b'[{"file":"c.webp"}]\n')
    return Response(b"[]\n")


EXPORTING = dict.fromkeys(LISTS, lists)


@pytest.mark.parametrize("service", LISTS)
def test_an_archive_has_every_list_that_a_service_exports(service: str) -> None:
    privacy = importlib.import_module(f"services.{service}.privacy")

    assert {*LISTS[service]} == {*privacy.EXPORT_LISTS}


async def test_a_picture_that_was_removed_meanwhile_is_left_out(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway(**EXPORTING) as running:
        response = await running.client.get("/api/export", headers=KEY)

    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        pictures = [name for name in archive.namelist() if name.startswith("pictures/")]
        assert pictures == ["pictures/a.png", "pictures/b.png", "pictures/c.webp"]
        assert archive.read("pictures/a.png") == bytes(300_000)


async def test_a_failing_service_is_an_error_before_and_cuts_the_archive_after_it_began(
    start_gateway: StartGateway,
) -> None:
    async def broken(request: Request) -> Response:
        return JSONResponse({"result": False}, 500)

    async def no_users(request: Request) -> Response:
        if request.url.path.startswith("/internal/keys/"):
            return await owner_of_any_key(request)
        return JSONResponse({"result": False}, 500)

    async with start_gateway(**EXPORTING | {"users": no_users}) as running:
        before = await running.client.get("/api/export", headers=KEY)
        again = await running.client.get("/api/export", headers=KEY)
    async with start_gateway(**EXPORTING | {"tweets": broken}) as running:
        after = await running.client.get("/api/export", headers=KEY)

    for response in (before, again):
        assert (response.status_code, response.json()["error_type"]) == (502, "BadGateway")
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(after.content))


async def test_a_second_archive_of_the_same_person_waits_for_the_first(
    start_gateway: StartGateway,
) -> None:
    going_on = asyncio.Event()

    async def slow(request: Request) -> Response:
        async def rows() -> AsyncIterator[bytes]:
            yield b"["
            await going_on.wait()
            yield b"]\n"

        return StreamingResponse(rows())

    async with start_gateway(**EXPORTING | {"tweets": slow}) as running:
        first = asyncio.create_task(running.client.get("/api/export", headers=KEY))
        while not running.services["tweets"].requests:
            await asyncio.sleep(0)
        second = await running.client.get("/api/export", headers=KEY)
        going_on.set()
        whole = await first
        third = await running.client.get("/api/export", headers=KEY)

    assert (second.status_code, second.json()["error_type"]) == (409, "ExportUnderWay")
    for response in (whole, third):
        assert zipfile.ZipFile(io.BytesIO(response.content)).testzip() is None


async def test_an_abandoned_download_frees_its_slot(
    start_gateway: StartGateway,
) -> None:
    async def endless(request: Request) -> Response:
        async def rows() -> AsyncIterator[bytes]:
            while True:
                # The server notices only in its own turn of the loop that the client is gone.
                await asyncio.sleep(0)
                yield bytes(10_000)

        return StreamingResponse(rows())

    async with start_gateway(**EXPORTING | {"tweets": endless}) as running:
        taking = asyncio.create_task(running.client.get("/api/export", headers=KEY))
        while not running.services["tweets"].requests:
            await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        running.services["tweets"].behaviour = lists
        response: httpx.Response = await running.client.get("/api/export", headers=KEY)

    assert zipfile.ZipFile(io.BytesIO(response.content)).testzip() is None
