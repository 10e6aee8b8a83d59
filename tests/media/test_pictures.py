"""How the served picture differs from the uploaded one."""

import io
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageChops, ImageSequence, ImageStat

from . import samples
from .test_api import upload, upload_record, uploaded

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_picture_comes_back_without_its_metadata(
    media: httpx.AsyncClient, kind: str
) -> None:
    _, path = await uploaded(media, samples.picture(kind))

    response = await media.get(path)

    assert response.headers["content-type"] == KINDS[kind]
    assert samples.COMMENT not in response.content
    with Image.open(io.BytesIO(response.content)) as image:
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

    response = await media.get(path)

    with Image.open(io.BytesIO(response.content)) as image:
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
        (samples.noise(4, 2000), (4, 5)),
        (samples.picture("GIF", 5000, 2), (720, 1)),
    ],
    ids=["photograph", "small", "animation", "noise", "high sliver", "wide sliver"],
)
async def test_a_thumbnail_is_small_and_upright(
    media: httpx.AsyncClient, content: bytes, size: tuple[int, int] | None
) -> None:
    record = await upload_record(media, content)

    response = await media.get(record["thumbnail"])
    again = await media.get(
        record["thumbnail"], headers={"if-none-match": response.headers["etag"]}
    )

    assert record["thumbnail"] != record["path"]
    assert response.headers["content-type"] == "image/webp"
    assert "immutable" in response.headers["cache-control"]
    assert again.status_code == 304
    assert len(response.content) <= 48_000
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.format == "WEBP"
        assert not getattr(image, "is_animated", False)
        assert not image.getexif()
        assert max(image.size) <= 720
        if size is not None:
            assert image.size == size


def drawing(mode: str, colour: object, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (30, 20), colour).save(out, kind)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        (samples.picture("JPEG", 800, 600), (127, 0, 127)),
        (samples.mirrored_colours("PNG"), (0, 0, 255)),
        (drawing("L", 90), (90, 90, 90)),
        (drawing("1", 1), (255, 255, 255)),
        (drawing("I;16", 0x8000), (128, 128, 128)),
        (drawing("CMYK", (0, 255, 255, 0), "JPEG"), (237, 28, 36)),
        (drawing("RGBA", (10, 200, 30, 255)), (10, 200, 30)),
        (drawing("RGBA", (10, 200, 30, 254)), None),
        (drawing("LA", (90, 0)), None),
        (samples.animation("GIF"), (0, 90, 30)),
    ],
    ids=[
        *("photograph", "profile", "grey", "bits", "16 bits", "printing", "opaque"),
        *("translucent", "transparent", "first frame"),
    ],
)
async def test_a_record_has_the_average_colour_of_an_opaque_picture(
    media: httpx.AsyncClient, content: bytes, colour: tuple[int, int, int] | None
) -> None:
    record = await upload_record(media, content)

    if colour is None:
        assert record["colour"] is None
    else:
        found = bytes.fromhex(record["colour"].removeprefix("#"))
        assert all(abs(a - b) <= 8 for a, b in zip(found, colour, strict=True)), record["colour"]


async def test_a_thumbnail_keeps_transparency(media: httpx.AsyncClient) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(out, "PNG")
    record = await upload_record(media, out.getvalue())

    with Image.open(io.BytesIO((await media.get(record["thumbnail"])).content)) as image:
        assert image.convert("RGBA").getpixel((9, 9))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("name", samples.NOT_PICTURES)
async def test_a_file_that_is_no_picture_is_refused_whatever_its_name(
    media: httpx.AsyncClient, name: str
) -> None:
    response = await upload(media, samples.NOT_PICTURES[name])

    assert (response.status_code, response.json()["error_type"]) == (415, "ImageNotAccepted")


async def test_data_behind_a_picture_is_dropped(media: httpx.AsyncClient) -> None:
    _, path = await uploaded(media, samples.picture("PNG") + b"<script>alert(1)</script>")

    assert b"script" not in (await media.get(path)).content


INPUTS = Path(__file__).parent / "inputs"
"""Small files that some decoder once showed differently than browsers do."""
SHOWN: dict[str, tuple[int, int, list[int | None]]] = {
    "01-gray16.png": (64, 64, [128, 128, 128, 255]),
    "02-gray16-white-transparent.png": (64, 64, [None, None, None, 251]),
    "05-portrait-xresolution-as-text.jpg": (80, 120, [140, 137, 124, 255]),
    "06-portrait-gpsversion-as-text.jpg": (80, 120, [140, 137, 124, 255]),
    "07-xmp-orientation-only.jpg": (120, 80, [140, 137, 124, 255]),
    "08-xmp-orientation-only.png": (120, 80, [140, 137, 124, 255]),
    "09-profile-named-srgb-linear.png": (120, 80, [176, 174, 169, 255]),
    "10-profile-named-srgb-swapped.jpg": (120, 80, [124, 137, 140, 255]),
    "11-gray-alpha-linear-profile.png": (64, 64, [174, 174, 174, 126]),
    "15-bad-crc-in-text-chunk.png": (120, 80, [140, 137, 124, 255]),
    "16-ztxt-of-2-mb.png": (120, 80, [140, 137, 124, 255]),
    "17-no-end-marker.jpg": (120, 80, [140, 137, 124, 255]),
    "18-pixel-art-8x8.png": (8, 8, [96, 191, 128, 255]),
}


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def differs(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one.convert("RGBA"), other.convert("RGBA")).getbbox() is not None


@pytest.mark.parametrize("name", SHOWN)
async def test_a_picture_and_its_thumbnail_show_what_a_browser_shows_of_the_upload(
    media: httpx.AsyncClient, name: str
) -> None:
    width, height, means = SHOWN[name]

    record = await upload_record(media, (INPUTS / name).read_bytes())

    assert (record["width"], record["height"]) == (width, height)
    for path in (record["path"], record["thumbnail"]):
        image = opened((await media.get(path)).content)
        assert image.size == (width, height)
        assert not image.getexif()
        assert not image.info.keys() & {"icc_profile", "xmp", "exif", "workflow", "Comment"}
        for actual, expected in zip(ImageStat.Stat(image.convert("RGBA")).mean, means, strict=True):
            assert expected is None or abs(actual - expected) <= 5


async def test_the_thumbnail_of_pixel_art_is_exact(media: httpx.AsyncClient) -> None:
    content = (INPUTS / "18-pixel-art-8x8.png").read_bytes()

    record = await upload_record(media, content)

    for path in (record["path"], record["thumbnail"]):
        assert not differs(opened((await media.get(path)).content), opened(content))


async def test_a_long_picture_has_its_top_as_thumbnail(media: httpx.AsyncClient) -> None:
    content = (INPUTS / "19-long-screenshot-1080x12000.png").read_bytes()

    record = await upload_record(media, content)

    thumbnail = await media.get(record["thumbnail"])
    assert (record["width"], record["height"]) == (1080, 12000)
    assert not differs(opened((await media.get(record["path"])).content), opened(content))
    image = opened(thumbnail.content)
    assert image.size == (720, 900)
    assert len(thumbnail.content) <= 48_000
    top = opened(content).convert("RGB").crop((0, 0, 1080, 1350)).resize((720, 900))
    error = ImageStat.Stat(ImageChops.difference(image.convert("RGB"), top)).mean
    assert max(error) < 5


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "transparent palette"])
async def test_a_png_keeps_every_pixel(media: httpx.AsyncClient, mode: str) -> None:
    image = Image.effect_noise((40, 30), 90).convert("RGB")
    image.paste("red", (10, 5, 25, 20))
    options = {}
    if mode == "transparent palette":
        image, options = image.quantize(50), {"transparency": 7}
    else:
        image = image.convert(mode)
    out = io.BytesIO()
    image.save(out, "PNG", **options)

    _, path = await uploaded(media, out.getvalue())

    assert not differs(opened((await media.get(path)).content), opened(out.getvalue()))


async def test_a_lossless_screenshot_stays_lossless_and_gets_smaller(
    media: httpx.AsyncClient,
) -> None:
    image = opened((INPUTS / "19-long-screenshot-1080x12000.png").read_bytes())
    image = image.convert("RGB").crop((0, 0, 1080, 1000))
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        out = io.BytesIO()
        image.save(out, kind, **options)

        _, path = await uploaded(media, out.getvalue())

        content = (await media.get(path)).content
        assert not differs(opened(content), image)
        assert len(content) < 2 * len(out.getvalue())


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
async def test_an_animation_keeps_colours_and_transparency(
    media: httpx.AsyncClient, kind: str
) -> None:
    frames = []
    for number in range(4):
        frame = Image.new("RGBA", (48, 40), (0, 0, 0, 0))
        frame.paste((200, 30, 40, 255), (5 * number, 5, 5 * number + 20, 30))
        frames.append(frame)
    out = io.BytesIO()
    options = {"disposal": 2} if kind == "GIF" else {"lossless": True}
    frames[0].save(
        out, kind, save_all=True, append_images=frames[1:], duration=80, loop=0, **options
    )

    record = await upload_record(media, out.getvalue())

    stored = opened((await media.get(record["path"])).content)
    assert (record["width"], record["height"]) == (48, 40)
    for frame, before in zip(ImageSequence.Iterator(stored), frames, strict=True):
        assert frame.convert("RGBA").getpixel((46, 38))[3] == 0  # type: ignore[index]
        assert not differs(
            Image.alpha_composite(Image.new("RGBA", before.size, "white"), frame.convert("RGBA")),
            Image.alpha_composite(Image.new("RGBA", before.size, "white"), before),
        )


async def test_an_animated_png_becomes_its_first_frame_and_the_response_says_so(
    media: httpx.AsyncClient,
) -> None:
    moving = await upload(media, samples.animation("PNG"))
    still = await upload(media, samples.picture("PNG"))

    assert moving.json().keys() == {"result", "media_id", "first_frame_only"}
    assert moving.json()["first_frame_only"] is True
    assert still.json().keys() == {"result", "media_id"}


async def test_a_frame_outside_of_the_canvas_does_not_enlarge_it(media: httpx.AsyncClient) -> None:
    record = await upload_record(media, samples.growing_gif())

    assert (record["width"], record["height"]) == (1, 1)


@pytest.mark.parametrize(
    ("content", "name", "sentence", "details"),
    [
        (
            bytes(10_400_001),
            "ImageTooLarge",
            "This picture is 10.5 MB. The limit is 10 MB.",
            {"limit": 10_000_000, "actual": 10_400_001},
        ),
        (
            samples.bomb(),
            "ImageTooManyPixels",
            "This picture has 3,600 million pixels, counting all frames of an animation."
            " The limit is 50 million.",
            {"limit": 50_000_000, "actual": 3_600_000_000},
        ),
        (
            samples.animation("GIF", frames=201),
            "ImageTooManyFrames",
            "This animation has 201 frames. The limit is 200.",
            {"limit": 200, "actual": 201},
        ),
        (
            samples.animation("WEBP", frames=230),
            "ImageTooManyFrames",
            "This animation has 230 frames. The limit is 200.",
            {"limit": 200, "actual": 230},
        ),
    ],
    ids=["bytes", "pixels", "frames", "webp frames"],
)
async def test_a_limit_that_is_exceeded_is_named_with_both_numbers(
    media: httpx.AsyncClient, content: bytes, name: str, sentence: str, details: dict[str, int]
) -> None:
    response = await upload(media, content)

    assert response.status_code == 413
    assert response.json() == {
        "result": False,
        "error_type": name,
        "error_message": sentence,
        "error_details": details,
    }
