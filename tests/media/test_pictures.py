"""What becomes of a picture, seen in what comes back."""

import io

import httpx
import pytest
from PIL import Image, ImageSequence

from . import samples
from .test_api import recorded, upload, uploaded

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_picture_comes_back_without_its_metadata(
    media: httpx.AsyncClient, kind: str
) -> None:
    _, path = await uploaded(media, samples.picture(kind))

    answer = await media.get(path)

    assert answer.headers["content-type"] == KINDS[kind]
    assert samples.COMMENT not in answer.content
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == kind
        assert not image.getexif()
        assert "icc_profile" not in image.info
        upright = kind in ("JPEG", "PNG", "WEBP")
        assert image.size == ((20, 40) if upright else (40, 20))
        red, _, blue = image.convert("RGB").getpixel((2, 2))  # type: ignore[misc]
        assert red > 200
        assert blue < 60


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
async def test_an_animation_keeps_moving_as_it_did(media: httpx.AsyncClient, kind: str) -> None:
    durations = [70, 200, 500]
    _, path = await uploaded(media, samples.animation(kind, duration=durations, loop=2))

    answer = await media.get(path)

    with Image.open(io.BytesIO(answer.content)) as image:
        frames = [frame.copy() for frame in ImageSequence.Iterator(image)]
        assert [frame.info["duration"] for frame in frames] == durations
        assert image.info["loop"] == 2


async def test_a_gif_that_plays_once_does_not_play_for_ever(media: httpx.AsyncClient) -> None:
    _, path = await uploaded(media, samples.animation("GIF"))

    with Image.open(io.BytesIO((await media.get(path)).content)) as image:
        assert "loop" not in image.info


async def test_an_animation_is_turned_upright(media: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[samples.ORIENTATION] = 6
    _, path = await uploaded(media, samples.animation("WEBP", exif=exif))

    with Image.open(io.BytesIO((await media.get(path)).content)) as image:
        assert image.size == (8, 16)
        assert not image.getexif()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_colours_are_what_the_profile_says(media: httpx.AsyncClient, kind: str) -> None:
    _, path = await uploaded(media, samples.mirrored_colours(kind))

    with Image.open(io.BytesIO((await media.get(path)).content)) as image:
        red, _, blue = image.convert("RGB").getpixel((8, 8))  # type: ignore[misc]
        assert red < 60
        assert blue > 200


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (samples.picture("JPEG", 1600, 1000), (450, 720)),
        (samples.picture("PNG"), (20, 40)),
        (samples.animation("GIF"), (16, 8)),
        (samples.noise(2000, 3000), None),
        (samples.noise(4, 2000), None),
    ],
    ids=["photograph", "small", "animation", "noise", "sliver"],
)
async def test_a_thumbnail_is_small_and_upright(
    media: httpx.AsyncClient, content: bytes, size: tuple[int, int] | None
) -> None:
    record = await recorded(media, content)

    answer = await media.get(record["thumbnail"])
    again = await media.get(record["thumbnail"], headers={"if-none-match": answer.headers["etag"]})

    assert record["thumbnail"] != record["path"]
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert again.status_code == 304
    assert len(answer.content) <= 48_000
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "WEBP"
        assert not getattr(image, "is_animated", False)
        assert not image.getexif()
        assert max(image.size) <= 720
        if size is not None:
            assert image.size == size


async def test_a_thumbnail_keeps_what_is_transparent(media: httpx.AsyncClient) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(out, "PNG")
    record = await recorded(media, out.getvalue())

    with Image.open(io.BytesIO((await media.get(record["thumbnail"])).content)) as image:
        assert image.convert("RGBA").getpixel((9, 9))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("name", samples.NOT_PICTURES)
async def test_what_is_no_picture_is_refused_whatever_it_is_called(
    media: httpx.AsyncClient, name: str
) -> None:
    answer = await upload(media, samples.NOT_PICTURES[name])

    assert (answer.status_code, answer.json()["error_type"]) == (415, "ImageNotAccepted")


async def test_what_follows_a_picture_in_its_file_is_not_kept(media: httpx.AsyncClient) -> None:
    _, path = await uploaded(media, samples.picture("PNG") + b"<script>alert(1)</script>")

    assert b"script" not in (await media.get(path)).content


@pytest.mark.parametrize(
    "content",
    [
        bytes(10_000_001),
        samples.bomb(),
        samples.animation("GIF", frames=201),
        samples.animation("WEBP", frames=201),
        samples.growing_gif(),
    ],
    ids=["bytes", "pixels", "frames", "webp frames", "a frame outside"],
)
async def test_what_is_too_large_is_refused_before_it_is_decoded(
    media: httpx.AsyncClient, content: bytes
) -> None:
    answer = await upload(media, content)

    assert (answer.status_code, answer.json()["error_type"]) == (413, "ImageTooLarge")
