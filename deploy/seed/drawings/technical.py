"""Drawings that somebody measured: a chart, a floor plan."""

import math
from random import Random

from PIL import Image, ImageDraw

from .paper import SCALE, Colour, Point, disc, letters, sheet


def chart(chance: Random) -> Image.Image:
    """Energy by the month, this year and the last, each line named where it ends."""
    picture = sheet(1200, 720, (252, 251, 247), (252, 251, 247))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    ink, pale = (52, 58, 66), (134, 140, 146)
    pen.text((width * 0.06, height * 0.06), "Library: energy, MWh a month", ink, letters(30))
    left, right, top, floor = width * 0.09, width * 0.83, height * 0.2, height * 0.88
    for step in range(5):
        y = floor - (floor - top) * step / 4
        pen.line((left, y, right, y), (228, 226, 218), SCALE)
        pen.text((left - 36, y), f"{step * 20}", pale, letters(19), anchor="rm")
    lines: tuple[tuple[str, Colour, float], ...] = (
        ("last year", (204, 142, 112), 1.0), ("this year", (22, 110, 118), 0.62),
    )  # fmt: skip
    curves = []
    for _, _, share in lines:
        curve = []
        for month in range(12):
            used = (42 + 26 * math.cos(month / 12 * math.tau) + chance.uniform(-4, 4)) * share
            x = left + (right - left) * month / 11
            curve.append((x, floor - (floor - top) * used / 80))
        curves.append(curve)
    pen.polygon([*curves[0], *reversed(curves[1])], (238, 241, 234))
    for (name, colour, _), curve in zip(lines, curves, strict=True):
        pen.line(curve, colour, 5 * SCALE, joint="curve")
        for at in curve:
            pen.ellipse(disc(at, 17), colour)
            pen.ellipse(disc(at, 8), (252, 251, 247))
        pen.text((curve[-1][0] + 60, curve[-1][1]), name, colour, letters(26), anchor="lm")
    for month, letter in enumerate("JFMAMJJASOND"):
        x = left + (right - left) * month / 11
        pen.text((x, floor + 60), letter, pale, letters(19), anchor="mm")
    x, y = (a + (b - a) * 0.5 for a, b in zip(curves[0][6], curves[1][6], strict=True))
    pen.text((x, y - 330), "-38 %", (22, 110, 118), letters(46), anchor="mm")
    return picture


def plan(chance: Random) -> Image.Image:
    """A school without corridors: classrooms on both sides of a street with trees."""
    picture = sheet(1120, 840, (26, 64, 112), (18, 48, 90))
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    for step in range(0, width, 60):
        shade = (46, 86, 134) if step % 300 == 0 else (34, 72, 118)
        pen.line((step, 0, step, height), shade, 2)
        pen.line((0, step, width, step), shade, 2)
    ink, thin, wall = (232, 240, 248), (150, 184, 216), 5 * SCALE
    left, top, right, bottom, rooms = 480, 420, width - 240, height - 480, 5
    wide, middle = (right - left) / rooms, (top + bottom) / 2
    half = (bottom - top) * 0.14
    for room in range(rooms):
        x = left + wide * room
        for outer, inner, down in ((top, middle - half, 1), (bottom, middle + half, -1)):
            pen.line((x, outer, x + wide, outer), ink, wall)
            # The window interrupts the wall.
            pen.line((x + wide * 0.2, outer, x + wide * 0.8, outer), (22, 56, 100), wall)
            for off in (-6, 6):
                pen.line((x + wide * 0.2, outer + off, x + wide * 0.8, outer + off), ink, 3)
            pen.line((x, outer, x, inner), ink, wall)
            door = wide * 0.26
            pen.line((x, inner, x + wide - door - 40, inner), ink, wall)
            pen.line((x + wide - 40, inner, x + wide, inner), ink, wall)
            hinge = x + wide - 40
            pen.line((hinge, inner, hinge, inner - down * door), ink, 4)
            box = disc((hinge, inner), door)
            pen.arc(box, 180 if down > 0 else 90, 270 if down > 0 else 180, thin, 4)
            _desks(pen, (x, outer), (wide, inner - outer), thin)
            number = room + 1 + (rooms if down < 0 else 0)
            at = (x + wide * 0.3, inner - down * 74)
            pen.text(at, f"{100 + number}", ink, letters(19), anchor="mm")
    for edge in ((top, middle - half), (middle + half, bottom)):
        pen.line((right, edge[0] - 7, right, edge[1] + 7), ink, wall)
        pen.line((left, edge[0] - 7, left, edge[1] + 7), ink, wall)
    for tree in range(8):
        at = left + (right - left) * (tree + 0.5) / 8, middle + chance.uniform(-26, 26)
        _tree(pen, at, chance.uniform(50, 76), chance)
    _measure(pen, (left, top - 150), (right, top - 150), "48 000", thin)
    _measure(pen, (left - 150, top), (left - 150, bottom), "26 400", thin)
    pen.text((left, height - 270), "School on the river, level 0", ink, letters(26))
    pen.text((left, height - 160), "1:200   rev. 7", thin, letters(20))
    _north(pen, (width - 420, height - 200), ink)
    return picture


def _desks(pen: ImageDraw.ImageDraw, corner: Point, size: Point, colour: Colour) -> None:
    for row in range(2):
        for column in range(3):
            x = corner[0] + size[0] * (0.2 + 0.22 * column)
            y = corner[1] + size[1] * (0.24 + 0.25 * row)
            sides = sorted((y, y + size[1] * 0.12))
            pen.rectangle((x, sides[0], x + size[0] * 0.14, sides[1]), outline=colour, width=4)


def _tree(pen: ImageDraw.ImageDraw, at: Point, radius: float, chance: Random) -> None:
    leaf = (128, 204, 160)
    crown = []
    for step in range(33):
        turn = step / 32 * math.tau
        reach = radius * (1 + 0.12 * math.sin(turn * 8))
        crown.append((at[0] + reach * math.cos(turn), at[1] + reach * math.sin(turn)))
    pen.line(crown, leaf, 6, joint="curve")
    for _ in range(5):
        turn = chance.uniform(0, math.tau)
        tip = at[0] + radius * 0.7 * math.cos(turn), at[1] + radius * 0.7 * math.sin(turn)
        pen.line((*at, *tip), leaf, 4)


def _measure(
    pen: ImageDraw.ImageDraw, start: Point, end: Point, length: str, colour: Colour
) -> None:
    pen.line((*start, *end), colour, 4)
    level = start[1] == end[1]
    for x, y in (start, end):
        pen.line((x - 22, y + 22, x + 22, y - 22), colour, 6)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    if level:
        pen.text((x, y - 44), length, colour, letters(19), anchor="mm")
    else:
        pen.text((x - 30, y), length, colour, letters(19), anchor="rm")


def _north(pen: ImageDraw.ImageDraw, at: Point, colour: Colour) -> None:
    x, y = at
    pen.ellipse(disc(at, 84), outline=colour, width=5)
    pen.polygon([(x, y - 110), (x + 34, y + 50), (x, y + 22), (x - 34, y + 50)], colour)
    pen.text((x, y - 150), "N", colour, letters(24), anchor="mm")
