"""CPU time and peak memory that the decoder needs for a picture: `python -m bench.pictures`.

Run by hand after a change of services/media/pictures.py; docs/adr/0029 has the figures.
"""

import io
import json
import os
import random
import re
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageCms, ImageDraw

from services.media import pictures  # noqa: TID251

LIMITS = pictures.Limits(bytes=10_000_000, pixels=50_000_000, frames=200, seconds=60)
_ORIENTATION = 0x0112
_REPEATS = 10
"""Each of the 20 generated files is decoded this many times."""


def _photograph(seed: int, width: int, height: int) -> Image.Image:
    """Noise at several scales, which compresses about as well as a photograph does."""
    chance = random.Random(seed)  # noqa: S311 (nothing secret)
    whole = Image.new("RGB", (width, height), "gray")
    for scale, share in ((200, 0.9), (40, 0.4), (8, 0.2), (2, 0.06)):
        size = (width // scale, height // scale)
        rough = Image.frombytes("RGB", size, chance.randbytes(size[0] * size[1] * 3))
        whole = Image.blend(whole, rough.resize((width, height), Image.Resampling.BICUBIC), share)
    return whole


def _screenshot(seed: int, width: int, height: int) -> Image.Image:
    chance = random.Random(seed)  # noqa: S311 (nothing secret)
    whole = Image.new("RGB", (width, height), "#f6f6f4")
    draw = ImageDraw.Draw(whole)
    for top in range(40, height, 34):
        words = " ".join("x" * chance.randint(2, 9) for _ in range(12))
        draw.text((40, top), words, fill="#222222", font_size=22)
        if chance.random() < 0.05:
            draw.rounded_rectangle((40, top, width - 40, top + 90), 12, fill="#2a6fdb")
    return whole


def _written(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _profile() -> bytes:
    """Of sRGB, under another name: a decoder has to convert the colours."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace("sRGB".encode("utf-16-be"), "RGBs".encode("utf-16-be"))


def _animation(seed: int, kind: str, frames: int, **options: Any) -> bytes:
    scene = _photograph(seed, 640, 400)
    shown = [scene.crop((5 * n, 0, 5 * n + 400, 300)) for n in range(frames)]
    return _written(
        shown[0], kind, save_all=True, append_images=shown[1:], duration=60, loop=0, **options
    )


def _files() -> Iterator[tuple[str, bytes]]:
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for seed in range(8):
        options: dict[str, Any] = {"exif": exif} if seed % 2 else {}
        kind = "JPEG, 12 MP"
        if seed >= 4:
            kind += ", with a profile"
            options["icc_profile"] = _profile()
        yield kind, _written(_photograph(seed, 4000, 3000), "JPEG", quality=88, **options)
    for seed in range(6):
        size = (1080, 2400) if seed % 2 else (1920, 1080)
        yield "PNG, screenshot", _written(_screenshot(seed, *size), "PNG")
    for seed in range(3):
        yield "GIF, 40 frames", _animation(seed, "GIF", 40)
    yield "WebP, 12 MP", _written(_photograph(20, 4000, 3000), "WEBP", quality=80)
    yield "WebP, lossless screenshot", _written(_screenshot(9, 1920, 1080), "WEBP", lossless=True)
    yield "WebP, 40 frames", _animation(3, "WEBP", 40)


class _Cost(NamedTuple):
    seconds: float
    peak_megabytes: float
    """Beyond what the process has before."""
    size: int
    thumbnail_size: int


def _cost(content: bytes) -> _Cost:
    """Of a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # The peak counts from here on, without that of the process that was forked.
        Path("/proc/self/clear_refs").write_text("5")
        own = _peak_megabytes()
        before = time.process_time()
        picture = pictures.clean(content, LIMITS)
        seconds = time.process_time() - before
        peak = _peak_megabytes() - own
        cost = _Cost(seconds, peak, len(picture.content), len(picture.thumbnail))
        os.write(writing, json.dumps(cost).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        cost = _Cost(*json.load(answer))
    os.waitpid(child, 0)
    return cost


def _peak_megabytes() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


def _list() -> list[tuple[str, bytes]]:
    return list(_files())


def main() -> None:
    costs: dict[str, list[_Cost]] = {}
    shares: dict[str, list[float]] = {}
    # Generated in another process, whose memory would count as that of every child forked here.
    with ProcessPoolExecutor(1, get_context("spawn")) as generator:
        files = generator.submit(_list).result()
    for kind, content in files:
        for _ in range(_REPEATS):
            cost = _cost(content)
            for row in (kind, "all"):
                costs.setdefault(row, []).append(cost)
                shares.setdefault(row, []).append(cost.size / len(content))
    print("| kind | pictures | CPU, ms | peak memory, MB | size, new to old | thumbnail, kB |")
    print("|---|---|---|---|---|---|")
    for kind in sorted(costs, key="all".__eq__):
        measured = costs[kind]
        peaks = [cost.peak_megabytes for cost in measured]
        thumbnails = [cost.thumbnail_size for cost in measured]
        print(
            f"| {kind} | {len(measured)}"
            f" | {1000 * statistics.mean(cost.seconds for cost in measured):.0f}"
            f" | {statistics.mean(peaks):.0f}, at most {max(peaks):.0f}"
            f" | {statistics.mean(shares[kind]):.2f} | {statistics.mean(thumbnails) / 1000:.0f} |"
        )


if __name__ == "__main__":
    main()
