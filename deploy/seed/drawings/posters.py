"""Abstract posters: circles, waves, stairs, an arch, tiles."""

import math
from random import Random

from PIL import Image, ImageDraw

from .paper import SCALE, Colour, disc, mix, sheet

_CREAM, _RED, _NAVY, _GOLD, _TEAL = (
    (246, 238, 222), (214, 74, 52), (28, 58, 94), (240, 184, 66), (74, 148, 146),
)  # fmt: skip


def circles(chance: Random) -> Image.Image:
    picture = sheet(750, 1000, _CREAM, _CREAM)
    pen = ImageDraw.Draw(picture)
    colours = (_RED, _NAVY, _GOLD)
    cell = picture.width / 3.4
    left, top = (picture.width - 3 * cell) / 2, (picture.height - 4 * cell) / 2
    for row in range(4):
        for column in range(3):
            at = left + cell * (column + 0.5), top + cell * (row + 0.5)
            turn = chance.choice((0, 90, 180, 270))
            pen.pieslice(disc(at, cell * 0.45), turn, turn + 270, colours[(row + column) % 3])
            pen.ellipse(disc(at, cell * 0.2), colours[(row + column + 1) % 3])
    return picture


def waves(chance: Random) -> Image.Image:
    """Bands that cover each other, as paper cut with scissors does."""
    picture = sheet(750, 1000, (250, 224, 186), (244, 190, 140))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    pen.ellipse(disc((width * 0.66, height * 0.2), width * 0.15), _RED)
    colours = ((120, 180, 180), _TEAL, (240, 226, 200), (44, 104, 124), _GOLD, _NAVY, (18, 36, 62))
    for band, colour in enumerate(colours):
        base, swing = height * (0.32 + band * 0.1), height * (0.03 + 0.004 * band)
        phase, pace = chance.uniform(0, 6), chance.uniform(5, 8)
        edge = [
            (x, base + swing * math.sin(x / width * pace + phase)) for x in range(0, width + 15, 15)
        ]
        pen.polygon([(0, height), *edge, (width, height)], colour)
    return picture


def stairs(chance: Random) -> Image.Image:
    """Two flights in a strong side light, and the one who climbs them."""
    picture = sheet(800, 1000, (242, 176, 120), (250, 214, 170))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    wall, tread, riser = (196, 92, 66), (252, 232, 206), (150, 62, 52)
    pen.polygon([(width * 0.5, 0), (width, 0), (width, height), (width * 0.5, height)], wall)
    pen.ellipse(disc((width * 0.24, height * 0.2), width * 0.12), (255, 240, 214))
    steps, rise, run = 12, height * 0.058, width * 0.076
    for step in range(steps):
        x, y = width * 0.06 + step * run, height * 0.94 - step * rise
        pen.rectangle((x, y, width, height), mix(riser, (92, 34, 44), step / steps))
        pen.rectangle((x, y, x + run if step < steps - 1 else width, y + 5 * SCALE), tread)
    x, y = width * 0.06 + 7.5 * run, height * 0.94 - 7 * rise
    ink = (40, 24, 38)
    pen.ellipse(disc((x, y - 196), 30), ink)
    pen.rounded_rectangle((x - 30, y - 160, x + 30, y - 62), 26, ink)
    pen.line((x - 12, y - 80, x - 16, y), ink, 22)
    pen.line((x + 12, y - 80, x + 34, y - 14), ink, 22)
    return picture


def arch(chance: Random) -> Image.Image:
    """Gates within gates, a sun, a long shadow."""
    picture = sheet(720, 900, (238, 214, 192), (246, 232, 214))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    floor = height * 0.84
    pen.rectangle((0, floor, width, height), (206, 148, 116))
    middle = width / 2
    colours: list[Colour] = [
        (180, 84, 66), (214, 124, 92), (234, 168, 128), (244, 206, 172), (70, 104, 124),
    ]  # fmt: skip
    for gate, colour in enumerate(colours):
        half = width * (0.4 - 0.068 * gate)
        top = height * (0.44 + 0.012 * gate)
        pen.pieslice(disc((middle, top), half), 180, 360, colour)
        pen.rectangle((middle - half, top - 2, middle + half, floor), colour)
    pen.ellipse(disc((middle, height * 0.55), width * 0.062), (252, 226, 160))
    half = width * 0.128
    pen.polygon(
        [(middle - half, floor), (middle + half, floor), (middle + half * 3, height),
         (middle + half * 0.2, height)],
        (160, 104, 84),
    )  # fmt: skip
    return picture


def tiles(chance: Random) -> Image.Image:
    """Quarter circles turned at random, in a wide strip (C. S. Smith, 1987, after Truchet)."""
    picture = sheet(1200, 480, _NAVY, _NAVY)
    pen = ImageDraw.Draw(picture)
    cell = 120 * SCALE
    colours = (_CREAM, _TEAL, _GOLD, _RED, (44, 84, 124))
    for row in range(4):
        for column in range(10):
            x, y = column * cell, row * cell
            back, front, core = chance.sample(colours, 3)
            pen.rectangle((x, y, x + cell, y + cell), back)
            corner, turn = chance.choice(((0, 0), (1, 90), (2, 180), (3, 270)))
            at = x + cell * (corner in (1, 2)), y + cell * (corner in (2, 3))
            pen.pieslice(disc(at, cell), turn, turn + 90, front)
            pen.pieslice(disc(at, cell * 0.5), turn, turn + 90, core)
    return picture
