"""Generates different pictures for thousands of tweets, in a few milliseconds each."""

import io
from random import Random

from PIL import Image, ImageDraw

_SIZES = [(480, 360), (640, 480), (800, 600), (960, 720), (1024, 768)]


def generate_picture(seed: str) -> tuple[str, bytes]:
    """File name and content: a landscape in JPEG or a chart in PNG, the same for the same seed."""
    chance = Random(seed)  # noqa: S311 (reproducible, not a secret)
    size = chance.choice(_SIZES)
    out = io.BytesIO()
    if chance.random() < 0.7:
        _landscape(chance, size).save(out, "JPEG", quality=80)
        return "landscape.jpg", out.getvalue()
    _chart(chance, size).save(out, "PNG", compress_level=3)
    return "chart.png", out.getvalue()


def _landscape(chance: Random, size: tuple[int, int]) -> Image.Image:
    """Hills below a sky with a sun. The gradient of the sky is a tiny image, enlarged."""
    light = bytes(
        min(255, max(0, base - 22 * row + chance.randrange(-20, 21)))
        for row in range(3)
        for _ in range(4)
        for base in (150, 190, 235)
    )
    sky = Image.frombytes("RGB", (4, 3), light)
    picture = sky.resize(size, Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    width, height = size
    radius = height // chance.randrange(8, 16)
    x, y = chance.randrange(width), chance.randrange(height // 10, height // 2)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), (255, 236, 170))
    for distance in (3, 2, 1):
        horizon = height - distance * height // 6
        ridge = [
            (width * step // 8, horizon + chance.randrange(-height // 12, height // 12))
            for step in range(9)
        ]
        green = 60 + distance * 30 + chance.randrange(-15, 16)
        draw.polygon([(0, height), *ridge, (width, height)], (green // 2, green, green // 2 + 10))
    return picture


def _chart(chance: Random, size: tuple[int, int]) -> Image.Image:
    """A bar chart with a small palette, which PNG compresses well."""
    width, height = size
    colours = [chance.randrange(40, 220) for _ in range(9)]
    picture = Image.new("P", size, 0)
    picture.putpalette([250, 248, 240, 200, 200, 200, *colours])
    draw = ImageDraw.Draw(picture)
    for line in range(1, 6):
        draw.line((0, height * line // 6, width, height * line // 6), 1)
    bars = chance.randrange(5, 13)
    step = width // (bars + 1)
    for bar in range(bars):
        left = step // 2 + bar * step
        top = chance.randrange(height // 10, height * 9 // 10)
        colour = 2 + bar % 3
        draw.rectangle((left, top, left + step * 2 // 3, height - height // 12), colour)
    return picture
