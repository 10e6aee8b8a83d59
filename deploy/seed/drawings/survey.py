"""A surveyed site, as contour lines."""

import math
from random import Random

from PIL import Image, ImageDraw

from .paper import Colour, Point, letters, mix, sheet

_MARK: Colour = (190, 52, 44)


def survey(chance: Random) -> Image.Image:
    """Contour lines of a site: heights are the sum of a few hills, walked cell by cell."""
    picture = sheet(960, 960, (244, 240, 226), (238, 234, 216))
    pen = ImageDraw.Draw(picture)
    cells = 120
    side = picture.width / cells
    hills = [
        (chance.uniform(0, 1), chance.uniform(0, 1), chance.uniform(0.12, 0.3),
         chance.uniform(0.5, 1.4) * chance.choice((1, 1, -1)))
        for _ in range(9)
    ]  # fmt: skip

    def height(column: int, row: int) -> float:
        x, y = column / cells, row / cells
        return sum(h * math.exp(-((x - a) ** 2 + (y - b) ** 2) / r**2) for a, b, r, h in hills)

    ground = [[height(column, row) for column in range(cells + 1)] for row in range(cells + 1)]
    low, high = min(map(min, ground)), max(map(max, ground))
    for row in range(cells):
        for column in range(cells):
            share = round((ground[row][column] - low) / (high - low) * 9) / 9
            tint = mix((196, 218, 196), (244, 226, 190), share)
            box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
            pen.rectangle(box, mix((246, 242, 230), tint, 0.75))
    for number in range(1, 26):
        level = low + (high - low) * number / 26
        strong = number % 5 == 0
        for row in range(cells):
            for column in range(cells):
                crossing = _crossing(ground, column, row, level)
                for at in range(0, len(crossing) - 1, 2):
                    line = [(x * side, y * side) for x, y in crossing[at : at + 2]]
                    pen.line(
                        line, (150, 104, 66) if strong else (190, 150, 112), 8 if strong else 4
                    )
    _, row, column = max(
        (ground[row][column], row, column)
        for row in range(10, cells - 10)
        for column in range(10, cells - 10)
    )
    x, y = column * side, row * side
    pen.polygon([(x, y - 40), (x + 36, y + 24), (x - 36, y + 24)], _MARK)
    pen.text(
        (x, y + 70), "147.60", _MARK, letters(22), anchor="mm",
        stroke_width=12, stroke_fill=(243, 230, 203),
    )  # fmt: skip
    return picture


def _crossing(ground: list[list[float]], column: int, row: int, level: float) -> list[Point]:
    """Where a contour enters and leaves a cell (marching squares, Lorensen and Cline 1987)."""
    corners = ((column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1))
    points = []
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        one, other = ground[ay][ax] - level, ground[by][bx] - level
        if (one < 0) != (other < 0):
            share = one / (one - other)
            points.append((ax + (bx - ax) * share, ay + (by - ay) * share))
    return points
