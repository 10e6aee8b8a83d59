"""What every drawing starts from: a sheet three times too large, and how colours mix on it."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SCALE = 3
"""Reduced by this at the end, which is what makes the edges smooth."""

Colour = tuple[int, int, int]
Point = tuple[float, float]
Drawing = Callable[[Random], Image.Image]


def sheet(width: int, height: int, top: Colour, bottom: Colour) -> Image.Image:
    """Paper, or a sky: one colour fading into another. The size is that of the reduced picture."""
    fade = Image.new("RGB", (1, 256))
    for y in range(256):
        fade.putpixel((0, y), mix(top, bottom, y / 255))
    return fade.resize((width * SCALE, height * SCALE), Image.Resampling.BICUBIC)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The first colour at a share of 0, the other at 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def glow(
    picture: Image.Image, at: Point, radius: float, colour: Colour, share: float
) -> Image.Image:
    """Light around a point, added to what is there."""
    light = Image.new("RGB", picture.size)
    ImageDraw.Draw(light).ellipse(disc(at, radius), colour)
    # A blur this wide shows no detail: a small picture is blurred and enlarged, in a tenth of time.
    small = light.resize((picture.width // 8, picture.height // 8))
    small = small.filter(ImageFilter.GaussianBlur(radius / 12))
    light = small.resize(picture.size, Image.Resampling.BICUBIC)
    return ImageChops.screen(picture, light.point(lambda value: value * share))


def shadow(
    picture: Image.Image, box: tuple[float, float, float, float], blur: float, share: float
) -> Image.Image:
    """A soft round shadow that fills the box."""
    mask = Image.new("L", (picture.width // 8, picture.height // 8))
    ImageDraw.Draw(mask).ellipse([side / 8 for side in box], round(255 * share))
    mask = mask.filter(ImageFilter.GaussianBlur(blur / 8))
    large = mask.resize(picture.size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", picture.size, (40, 26, 16)), picture, large)


def disc(at: Point, radius: float) -> tuple[float, float, float, float]:
    x, y = at
    return x - radius, y - radius, x + radius, y + radius


def letters(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow brings this face along, so that no font has to be installed. It is Latin only."""
    return ImageFont.load_default(size * SCALE)
