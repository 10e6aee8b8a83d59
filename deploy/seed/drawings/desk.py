"""What stands about in an office: a cup, a whiteboard."""

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from PIL import Image, ImageDraw, ImageFilter

from .paper import SCALE, Colour, Point, disc, letters, mix, shadow, sheet


def coffee(chance: Random) -> Image.Image:
    """From above: a cup with a leaf of milk, its saucer, a biscuit, on a table of boards."""
    picture = sheet(900, 900, (176, 122, 82), (150, 98, 62))
    pen = ImageDraw.Draw(picture)
    size = picture.width
    for board in range(6):
        top = board * size / 6
        wood = mix((186, 132, 90), (146, 96, 62), chance.random())
        pen.rectangle((0, top, size, top + size / 6 - 6), wood)
        for _ in range(26):
            y, x = top + chance.uniform(8, size / 6 - 14), chance.uniform(-0.3, 0.9) * size
            grain = mix(wood, (92, 56, 34), chance.uniform(0.06, 0.22))
            pen.line(
                (x, y, x + chance.uniform(0.1, 0.6) * size, y + chance.uniform(-8, 8)), grain, 4
            )
    x, y = size * 0.49, size * 0.5
    picture = shadow(picture, disc((x + 70, y + 90), 960), 90, 0.6)
    pen = ImageDraw.Draw(picture)
    for radius, colour in (
        (950, (226, 230, 230)), (936, (248, 248, 244)), (700, (228, 230, 228)),
        (690, (242, 243, 240)),
    ):  # fmt: skip
        pen.ellipse(disc((x, y), radius), colour)
    picture = shadow(picture, disc((x + 40, y + 50), 620), 50, 0.4)
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((x + 520, y - 70, x + 830, y + 70), 66, (44, 92, 104))
    for radius, colour in (
        (600, (44, 92, 104)), (582, (60, 114, 126)), (546, (240, 238, 230)), (520, (84, 48, 26)),
        (504, (134, 80, 42)), (440, (142, 86, 46)),
    ):  # fmt: skip
        pen.ellipse(disc((x, y), radius), colour)
    _leaf(picture, (x, y))
    for crumb, (far, turn) in enumerate(((770, 2.3), (790, 2.62))):
        at = x + far * math.cos(turn), y + far * math.sin(turn)
        pen.ellipse(disc(at, 96), (146, 92, 44))
        pen.ellipse(disc(at, 88), (206, 152, 88))
        for _ in range(7):
            dot = at[0] + chance.uniform(-56, 56), at[1] + chance.uniform(-56, 56)
            pen.ellipse(disc(dot, 11 - crumb), (92, 54, 30))
    return picture


def _leaf(picture: Image.Image, at: Point) -> None:
    """Milk poured from side to side, then a line through it."""
    cream, brown = (246, 228, 198), (134, 80, 42)
    x, y = at
    milk = Image.new("L", picture.size)
    pen = ImageDraw.Draw(milk)
    for layer in range(6):
        wide, top = 330 - 30 * layer - 120 * (layer == 0), y - 310 + layer * 104
        for side in (-1, 1):
            stroke = []
            for step in range(25):
                share = step / 24
                rise = 150 * math.sin(share * math.pi / 2)
                stroke.append((x + side * wide * share, top + 190 - rise))
            pen.line(stroke, 255, 44, joint="curve")
            pen.ellipse(disc(stroke[-1], 22), 255)
    pen.polygon([(x - 40, y + 330), (x + 40, y + 330), (x, y + 440)], 255)
    pen.line((x, y - 330, x, y + 350), 255, 30)
    inside = Image.new("L", picture.size)
    ImageDraw.Draw(inside).ellipse(disc(at, 425), 255)
    milk = Image.composite(milk, Image.new("L", picture.size), inside)
    edge = Image.new("RGB", picture.size, mix(cream, brown, 0.35))
    picture.paste(edge, mask=milk.filter(ImageFilter.MaxFilter(9)))
    picture.paste(Image.new("RGB", picture.size, cream), mask=milk)


def whiteboard(chance: Random) -> Image.Image:
    """How a tweet reaches its readers, in four markers."""
    picture = sheet(1200, 800, (188, 192, 196), (170, 176, 180))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    pen.rounded_rectangle((60, 60, width - 60, height - 150), 24, (120, 126, 132))
    pen.rounded_rectangle((84, 84, width - 84, height - 174), 12, (250, 251, 251))
    black, blue, red, green = (46, 50, 58), (34, 88, 168), (204, 60, 52), (30, 130, 84)
    pen.rounded_rectangle(
        (width * 0.3, height - 160, width * 0.7, height - 112), 10, (98, 104, 110)
    )
    for marker, colour in enumerate((black, blue, red, green)):
        x = width * (0.35 + 0.08 * marker)
        pen.rounded_rectangle((x, height - 190, x + 190, height - 158), 14, colour)
        pen.rounded_rectangle((x + 130, height - 190, x + 190, height - 158), 14, (236, 236, 236))
    pen.text((190, 150), "What happens to a tweet", black, letters(44))
    _wobbly(pen, [(190, 310), (1670, 302)], red, chance)
    boxes = {
        "gateway": (330, 600), "tweets": (1370, 600), "queue": (2410, 600), "feed": (2410, 1360),
        "cache": (1370, 1360),
    }  # fmt: skip
    for name, (x, y) in boxes.items():
        corners = [(x, y), (x + 620, y), (x + 620, y + 300), (x, y + 300), (x, y)]
        _wobbly(pen, corners, blue if name != "queue" else green, chance)
        pen.text((x + 310, y + 150), name, black, letters(34), anchor="mm")
    for start, end in (
        ((970, 750), (1345, 750)), ((2010, 750), (2385, 750)), ((2720, 920), (2720, 1335)),
        ((2390, 1510), (2020, 1510)), ((1350, 1470), (700, 930)),
    ):  # fmt: skip
        _arrow(pen, start, end, black, chance)
    pen.text((2800, 1060), "9 ms", red, letters(34))
    pen.text((330, 1560), "no lock,", green, letters(30))
    pen.text((330, 1680), "no waiting!", green, letters(30))
    pen.line(_ring((1690, 1510), 430, 240), red, 5 * SCALE, joint="curve")
    pen.text((1460, 1800), "do we need it?", red, letters(28))
    return picture


def _ring(at: Point, wide: float, high: float) -> list[Point]:
    """An oval that does not quite meet its beginning."""
    turns = [step / 60 * math.tau for step in range(66)]
    return [
        (at[0] + (wide - 4 * t) * math.cos(t - 2), at[1] + (high + 5 * t) * math.sin(t - 2))
        for t in turns
    ]


def _wobbly(
    pen: ImageDraw.ImageDraw, corners: Sequence[Point], colour: Colour, chance: Random
) -> None:
    """A line as a hand draws it: it bends a little and misses its corners a little."""
    for start, end in pairwise(corners):
        away, bend = chance.uniform(-7, 7), chance.uniform(-9, 9)
        stroke = []
        for step in range(13):
            share = step / 12
            off = away + bend * math.sin(share * math.pi)
            along = [a + (b - a) * share for a, b in zip(start, end, strict=True)]
            level = abs(end[0] - start[0]) > abs(end[1] - start[1])
            stroke.append((along[0] + off * (not level), along[1] + off * level))
        pen.line(stroke, colour, 5 * SCALE, joint="curve")
        for tip in (stroke[0], stroke[-1]):
            pen.ellipse(disc(tip, 2.4 * SCALE), colour)


def _arrow(
    pen: ImageDraw.ImageDraw, start: Point, end: Point, colour: Colour, chance: Random
) -> None:
    _wobbly(pen, [start, end], colour, chance)
    turn = math.atan2(end[1] - start[1], end[0] - start[0])
    for side in (2.6, -2.6):
        tip = end[0] + 64 * math.cos(turn + side), end[1] + 64 * math.sin(turn + side)
        _wobbly(pen, [end, tip], colour, chance)
