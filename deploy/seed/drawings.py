"""The demonstration's pictures: drawn three times too large, then reduced, for smooth edges."""

import io
import math
from collections.abc import Callable
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SCALE = 3
Colour = tuple[int, int, int]
Drawing = Callable[[Random], Image.Image]


def png(name: str) -> bytes:
    """The drawing of this name, the same each time."""
    picture = DRAWINGS[name](Random(name))  # noqa: S311 (the same picture again, nothing secret)
    small = picture.resize(
        (picture.width // SCALE, picture.height // SCALE), Image.Resampling.LANCZOS
    )
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def _sheet(width: int, height: int, top: Colour, bottom: Colour) -> Image.Image:
    """Paper, or a sky: one colour fading into another."""
    fade = Image.new("RGB", (1, 256))
    for y in range(256):
        mixed = [round(a + (b - a) * y / 255) for a, b in zip(top, bottom, strict=True)]
        fade.putpixel((0, y), (mixed[0], mixed[1], mixed[2]))
    return fade.resize((width * SCALE, height * SCALE), Image.Resampling.BICUBIC)


def _ridge(width: int, height: int, chance: Random, roughness: float) -> list[tuple[float, float]]:
    waves = [
        (chance.uniform(0.5, 5), chance.uniform(0, 7), chance.uniform(0.2, 1)) for _ in range(6)
    ]
    points = []
    for step in range(201):
        x = step / 200
        rise = sum(a * math.sin(f * x * 6 + p) / f for f, p, a in waves)
        points.append((x * width, height - roughness * rise))
    return points


def _landscape(
    size: tuple[int, int], sky: tuple[Colour, Colour], far: Colour, near: Colour, sun: Colour
) -> Drawing:
    def draw(chance: Random) -> Image.Image:
        picture = _sheet(*size, *sky)
        width, height = picture.size
        light = Image.new("RGB", picture.size)
        disc = height // 11
        x, y = int(width * 0.68), int(height * 0.42)
        ImageDraw.Draw(light).ellipse((x - disc, y - disc, x + disc, y + disc), sun)
        glow = light.filter(ImageFilter.GaussianBlur(height // 14))
        picture = ImageChops.screen(picture, glow.point(lambda value: value * 0.6))
        pen = ImageDraw.Draw(picture)
        pen.ellipse((x - disc, y - disc, x + disc, y + disc), sun)
        for layer in range(5):
            share = layer / 4
            mixed = [round(a + (b - a) * share) for a, b in zip(far, near, strict=True)]
            base = int(height * (0.52 + 0.11 * layer))
            ridge = _ridge(width, base, chance, height * 0.05)
            pen.polygon([(0, height), *ridge, (width, height)], (mixed[0], mixed[1], mixed[2]))
        return picture

    return draw


def _bridge(chance: Random) -> Image.Image:
    picture = _sheet(1200, 675, (196, 220, 236), (250, 238, 220))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    pen.rectangle((0, height * 0.78, width, height), (86, 128, 150))
    for line in range(26):
        y = height * (0.79 + line * 0.008)
        x = chance.uniform(0, width * 0.8)
        pen.line((x, y, x + chance.uniform(60, 500), y), (120, 160, 178), SCALE)
    deck, steel = height * 0.62, (58, 66, 78)
    for tower in (0.27, 0.73):
        x = width * tower
        pen.polygon(
            [(x - 16, height * 0.9), (x + 16, height * 0.9), (x + 8, height * 0.1),
             (x - 8, height * 0.1)],
            steel,
        )  # fmt: skip
        for cable in range(1, 13):
            reach = width * 0.0185 * cable
            top = height * (0.12 + cable * 0.012)
            for side in (-1, 1):
                pen.line((x, top, x + side * reach, deck), (110, 116, 126), SCALE)
    pen.rectangle((0, deck, width, deck + 20), steel)
    return picture


def _skyline(size: tuple[int, int], sky: tuple[Colour, Colour], lit: float) -> Drawing:
    def draw(chance: Random) -> Image.Image:
        picture = _sheet(*size, *sky)
        pen = ImageDraw.Draw(picture)
        width, height = picture.size
        for layer in range(3):
            x = -40.0
            while x < width:
                wide = chance.uniform(60, 190)
                top = height * chance.uniform(0.28 + 0.14 * layer, 0.62 + 0.08 * layer)
                shade = tuple(round(c * (0.62 - 0.2 * layer)) for c in sky[1])
                pen.rectangle((x, top, x + wide, height), (shade[0], shade[1], shade[2]))
                for row in range(int((height - top) // 42)):
                    for column in range(int(wide // 34)):
                        if layer and chance.random() < lit:
                            left, upper = x + 14 + column * 34, top + 18 + row * 42
                            pen.rectangle((left, upper, left + 13, upper + 20), (255, 214, 130))
                x += wide + chance.uniform(4, 26)
        return picture

    return draw


def _plan(chance: Random) -> Image.Image:
    picture = _sheet(1080, 810, (28, 62, 104), (22, 50, 88))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    for step in range(0, width, 60):
        pen.line((step, 0, step, height), (44, 80, 124), 1)
        pen.line((0, step, width, step), (44, 80, 124), 1)
    ink, wall = (226, 236, 246), 5 * SCALE
    left, top, right, bottom = 240, 240, width - 240, height - 240
    pen.rectangle((left, top, right, bottom), outline=ink, width=wall)
    middle = (top + bottom) // 2
    for row, y in ((top, middle - 120), (middle + 120, bottom)):
        for room in range(1, 6):
            x = left + (right - left) * room // 6
            pen.line((x, row, x, y), ink, wall)
        edge = y if row == top else row
        for room in range(6):
            x = left + (right - left) * room // 6
            wide = (right - left) // 6
            pen.line((x, edge, x + wide - 150, edge), ink, wall)
            box = (x + wide - 250, edge - 100, x + wide - 50, edge + 100)
            pen.arc(box, 180 if row == top else 90, 270 if row == top else 180, ink, SCALE)
    for tree in range(9):
        x, r = left + int((right - left) * (tree + 0.5) / 9), chance.uniform(24, 44)
        pen.ellipse(
            (x - r, middle - r, x + r, middle + r), outline=(150, 210, 160), width=2 * SCALE
        )
    return picture


def _chart(chance: Random) -> Image.Image:
    picture = _sheet(1100, 680, (252, 250, 244), (252, 250, 244))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    for line in range(6):
        y = height * (0.14 + line * 0.14)
        pen.line((width * 0.07, y, width * 0.95, y), (224, 220, 208), SCALE)
    for colour, start, fall in (((202, 98, 66), 0.24, 0.30), ((38, 112, 120), 0.30, 0.42)):
        points = []
        for month in range(25):
            share = month / 24
            wobble = 0.035 * math.sin(month * 0.9) + chance.uniform(-0.012, 0.012)
            points.append(
                (width * (0.08 + 0.86 * share), height * (start + fall * share**1.3 + wobble))
            )
        pen.line(points, colour, 5 * SCALE, joint="curve")
        x, y = points[-1]
        pen.ellipse((x - 24, y - 24, x + 24, y + 24), colour)
    return picture


def _coffee(chance: Random) -> Image.Image:
    picture = _sheet(900, 900, (232, 214, 190), (214, 190, 160))
    pen = ImageDraw.Draw(picture)
    x, y = picture.width // 2, picture.height // 2
    rings = (
        (1020, (196, 168, 136)), (980, (250, 248, 244)), (640, (226, 222, 214)),
        (600, (252, 251, 248)), (520, (92, 54, 30)), (500, (122, 74, 42)),
    )  # fmt: skip
    for r, colour in rings:
        pen.ellipse((x - r, y - r, x + r, y + r), colour)
    cream = (236, 214, 182)
    for leaf in range(7):
        wide, drop = 300 - leaf * 36, leaf * 84 - 260
        pen.chord((x - wide, y + drop - 150, x + wide, y + drop + 150), 20, 160, cream)
        pen.chord((x - wide, y + drop - 190, x + wide, y + drop + 90), 20, 160, (122, 74, 42))
    pen.line((x, y - 330, x, y + 400), cream, 10 * SCALE)
    return picture


def _circles(chance: Random) -> Image.Image:
    picture = _sheet(750, 1000, (246, 238, 222), (246, 238, 222))
    pen = ImageDraw.Draw(picture)
    colours = ((214, 74, 52), (28, 58, 94), (240, 184, 66))
    width, height = picture.size
    for row in range(4):
        for column in range(3):
            x, y, r = width * (column + 0.5) / 3, height * (row + 0.5) / 4, width * 0.15
            colour = colours[(row + column) % 3]
            turn = chance.choice((0, 90, 180, 270))
            pen.pieslice((x - r, y - r, x + r, y + r), turn, turn + 270, colour)
            r *= 0.45
            pen.ellipse((x - r, y - r, x + r, y + r), colours[(row + column + 1) % 3])
    return picture


def _waves(chance: Random) -> Image.Image:
    picture = _sheet(750, 1000, (20, 44, 76), (20, 44, 76))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    colours = ((240, 226, 200), (232, 120, 78), (90, 160, 168), (240, 190, 80))
    for band in range(16):
        base = height * (0.06 + band * 0.062)
        points = [
            (x, base + 60 * math.sin(x / width * 9 + band * 0.55)) for x in range(0, width + 1, 15)
        ]
        pen.line(points, colours[band % 4], 9 * SCALE, joint="curve")
    return picture


def _stairs(chance: Random) -> Image.Image:
    picture = _sheet(800, 1000, (244, 240, 232), (226, 220, 208))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    steps = 11
    for step in range(steps):
        x, y = width * (0.08 + 0.076 * step), height * (0.9 - 0.072 * step)
        shade = 236 - step * 9
        pen.polygon(
            [(x, y), (x + width * 0.3, y), (x + width * 0.3, height), (x, height)],
            (shade, shade - 30, shade - 62),
        )
        pen.line((x, y, x + width * 0.3, y), (120, 84, 56), 2 * SCALE)
    return picture


DRAWINGS: dict[str, Drawing] = {
    "bridge": _bridge,
    "chart": _chart,
    "circles": _circles,
    "city": _skyline((1100, 700), ((176, 190, 204), (132, 146, 164)), 0.12),
    "coffee": _coffee,
    "hills": _landscape(
        (1200, 750), ((150, 200, 236), (236, 244, 240)), (150, 186, 160), (44, 92, 60),
        (255, 250, 226),
    ),
    "morning": _landscape(
        (1280, 720), ((252, 206, 160), (255, 240, 214)), (226, 160, 130), (110, 70, 86),
        (255, 248, 220),
    ),
    "night": _skyline((900, 1100), ((14, 20, 46), (58, 52, 96)), 0.34),
    "plan": _plan,
    "stairs": _stairs,
    "sunset": _landscape(
        (1200, 800), ((70, 50, 110), (250, 150, 96)), (150, 76, 110), (34, 26, 58),
        (255, 214, 150),
    ),
    "waves": _waves,
}  # fmt: skip
