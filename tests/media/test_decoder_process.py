"""Hostile pictures: what remains of them, and how much of the machine they can use."""

import asyncio
import dataclasses
import io
import os
import resource
import zlib
from pathlib import Path

import httpx
import pytest
from PIL import Image

from chassis import testing
from services.media.decoder_process import Decoder
from services.media.pictures import BudgetExceeded, LimitExceeded, Limits, NotAPicture, Picture

from . import crafted, samples
from .test_api import upload_record

LIMITS = Limits(bytes=10_000_000, pixels=50_000_000, frames=200, seconds=15)
AT_ONCE = 50
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xae\x42\x60\x82", "GIF": b";", "WEBP": b""}
PIXEL = crafted.chunk(b"IDAT", zlib.compress(bytes(4)))


@pytest.fixture(autouse=True, scope="module")
def _code_at_hand() -> None:
    """Decoder processes find the code as in production: through PYTHONPATH."""
    os.environ.setdefault("PYTHONPATH", f"{Path.cwd()}:{Path.cwd() / 'libs'}")


def assert_harmless(picture: Picture) -> None:
    for content in (picture.content, picture.thumbnail):
        for encoding in ("ascii", "utf-16-le", "utf-16-be"):
            assert crafted.MARK.decode().encode(encoding) not in content
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.format == picture.kind
        assert image.size == (picture.width, picture.height)
        assert not image.getexif()
        assert not image.info.keys() & {"icc_profile", "xmp", "comment", "exif"}
        image.load()
    assert picture.content.endswith(ENDS[picture.kind])


async def test_each_crafted_file_is_refused_or_made_harmless() -> None:
    decoder = Decoder(LIMITS, 2)
    files = dict(crafted.files())
    wrong = {}
    for name, content in files.items():
        try:
            picture = await decoder.clean(content)
        except (NotAPicture, LimitExceeded, BudgetExceeded) as refusal:
            if name.startswith("a "):
                wrong[name] = type(refusal).__name__
        else:
            assert_harmless(picture)
            if name.startswith("no"):
                wrong[name] = "taken"

    assert wrong == {}
    assert len(files) >= 200


async def test_a_picture_that_needs_too_much_memory_is_refused() -> None:
    decoder = Decoder(dataclasses.replace(LIMITS, pixels=10**9), 2)

    with pytest.raises(BudgetExceeded):
        # libvips holds a whole interlaced picture in memory.
        await decoder.clean(crafted.png(20_000, 20_000, PIXEL, more=1))

    assert (await decoder.clean(samples.picture("PNG"))).kind == "PNG"


async def test_a_picture_that_needs_too_much_time_is_refused() -> None:
    decoder = Decoder(dataclasses.replace(LIMITS, seconds=1, pixels=10**9), 2)

    with pytest.raises(BudgetExceeded):
        await decoder.clean(crafted.large_frames())

    assert (await decoder.clean(samples.picture("GIF"))).kind == "GIF"


async def test_a_small_file_does_not_fill_the_store() -> None:
    decoder = Decoder(dataclasses.replace(LIMITS, bytes=1000), 2)

    with pytest.raises(BudgetExceeded):
        await decoder.clean(samples.noise(300, 300))


async def test_one_person_cannot_occupy_all_decoders() -> None:
    decoder = Decoder(LIMITS, 2)
    async with decoder.slot(1):
        waiting = asyncio.create_task(decoder.slot(1).__aenter__())
        async with decoder.slot(2):
            assert not waiting.done()
    await waiting


async def test_many_bombs_at_once_leave_the_service_up(media: httpx.AsyncClient) -> None:
    bombs = [
        crafted.png(60_000, 60_000, PIXEL),
        crafted.png(7000, 7000, PIXEL, colour=6),
        crafted.large_frames(),
        samples.many_scans(),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def dropped(number: int) -> httpx.Response:
        files = {"file": ("x.png", bombs[number % len(bombs)], "image/png")}
        headers = testing.identity_headers("media", number + 1)
        return await media.post("/api/medias", files=files, headers=headers)

    dropping = [asyncio.create_task(dropped(number)) for number in range(AT_ONCE)]
    lives = await media.get("/health/live")
    responses = await asyncio.gather(*dropping)

    assert lives.status_code == 200
    assert {response.status_code for response in responses} <= {413, 415, 503}
    assert all(response.json()["result"] is False for response in responses)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert (await upload_record(media, samples.picture("PNG")))["width"] == 20
