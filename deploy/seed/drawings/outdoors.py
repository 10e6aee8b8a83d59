"""Hills, a bridge, cities."""

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw

from .paper import SCALE, Colour, Drawing, Point, disc, glow, mix, sheet


def _ridge(width: int, base: float, chance: Random, roughness: float) -> list[Point]:
    waves = [
        (chance.uniform(0.5, 5), chance.uniform(0, 7), chance.uniform(0.2, 1)) for _ in range(6)
    ]
    points = []
    for step in range(201):
        x = step / 200
        rise = sum(a * math.sin(f * x * 6 + p) / f for f, p, a in waves)
        points.append((x * width, base - roughness * rise))
    return points


def landscape(
    size: tuple[int, int], sky: tuple[Colour, Colour], far: Colour, near: Colour, sun: Colour
) -> Drawing:
    def draw(chance: Random) -> Image.Image:
        picture = sheet(*size, *sky)
        width, height = picture.size
        at = (width * 0.68, height * 0.4)
        picture = glow(picture, at, height / 5, sun, 0.55)
        pen = ImageDraw.Draw(picture)
        pen.ellipse(disc(at, height / 12), sun)
        for layer in range(6):
            base = height * (0.52 + 0.09 * layer)
            ridge = _ridge(width, base, chance, height * 0.05)
            pen.polygon([(0, height), *ridge, (width, height)], mix(far, near, layer / 5))
        return picture

    return draw


def bridge(chance: Random) -> Image.Image:
    """Cable-stayed, seen from the bank at sunrise."""
    picture = sheet(1200, 675, (150, 190, 220), (255, 226, 196))
    width, height = picture.size
    picture = glow(picture, (width * 0.5, height * 0.72), height * 0.3, (255, 200, 140), 0.5)
    pen = ImageDraw.Draw(picture)
    shore = height * 0.76
    for far, colour in ((0.66, (176, 190, 204)), (0.71, (140, 160, 178))):
        ridge = _ridge(width, height * far, chance, height * 0.025)
        pen.polygon([(0, shore), *ridge, (width, shore)], colour)
    deck, steel, cable = height * 0.6, (44, 54, 68), (84, 94, 108)
    for pier in range(11):
        x = width * pier / 10
        pen.rectangle((x - 9, deck, x + 9, shore), mix(steel, (140, 160, 178), 0.35))
    for share in (0.27, 0.73):
        x = width * share
        for line in range(1, 14):
            # A fan: the longest cable leaves the tower at the top.
            top = height * (0.3 - 0.0155 * line)
            for side in (-1, 1):
                pen.line((x, top, x + side * width * 0.0172 * line, deck), cable, SCALE)
        foot, head = 30, 12
        pen.polygon(
            [(x - foot, shore), (x + foot, shore), (x + head, height * 0.07),
             (x - head, height * 0.07)],
            steel,
        )  # fmt: skip
    pen.rectangle((0, deck - 6, width, deck + 16), steel)
    for car in range(9):
        x = width * chance.uniform(0.02, 0.98)
        colour = ((214, 84, 60), (240, 240, 236), (60, 90, 120))[car % 3]
        pen.rounded_rectangle((x, deck - 20, x + chance.choice((34, 70)), deck - 6), 6, colour)
    _water(picture, int(shore), (40, 84, 112), chance)
    return picture


def _water(picture: Image.Image, shore: int, colour: Colour, chance: Random) -> None:
    """What stands above the shore, upside down, shortened, and broken by ripples."""
    width, height = picture.size
    deep = height - shore
    above = picture.crop((0, max(0, shore - deep * 3), width, shore))
    mirror = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((width, deep))
    mirror = Image.blend(mirror, Image.new("RGB", mirror.size, colour), 0.55)
    strip = 2 * SCALE
    for y in range(0, deep, strip):
        row = mirror.crop((0, y, width, min(y + strip, deep)))
        # The nearer the water, the wider it swings.
        swing = round(math.sin(y / 13) * y / 26)
        picture.paste(ImageChops.offset(row, swing, 0), (0, shore + y))
    pen = ImageDraw.Draw(picture)
    for _ in range(70):
        y = shore + deep * chance.random() ** 1.5
        x, long = chance.uniform(-0.1, 1) * width, chance.uniform(40, 400)
        pen.line((x, y, x + long, y), mix(colour, (255, 240, 220), chance.uniform(0.25, 0.55)), 2)


def skyline(
    size: tuple[int, int], sky: tuple[Colour, Colour], walls: tuple[Colour, Colour], lit: float
) -> Drawing:
    """Rows of houses, the farther the paler; `lit` is the share of windows with a light."""

    def draw(chance: Random) -> Image.Image:
        picture = sheet(*size, *sky)
        width, height = picture.size
        if lit > 0.2:
            _stars(picture, chance)
            picture = glow(picture, (width * 0.74, height * 0.16), 150, (190, 196, 220), 0.5)
            ImageDraw.Draw(picture).ellipse(
                disc((width * 0.74, height * 0.16), 84), (240, 236, 218)
            )
        for layer in range(4):
            colour = mix(*walls, layer / 3)
            x = -chance.uniform(20, 120)
            while x < width:
                wide = chance.choice((105, 140, 175, 210, 245))
                top = height * chance.uniform(0.34 + 0.11 * layer, 0.58 + 0.1 * layer)
                # Far houses are too small for their windows to tell one from another.
                _house(picture, (x, top, x + wide), colour, lit if layer else 0, chance)
                x += wide + chance.choice((0, 0, 12, 40))
        return picture

    return draw


def _stars(picture: Image.Image, chance: Random) -> None:
    pen = ImageDraw.Draw(picture)
    for _ in range(130):
        at = chance.uniform(0, picture.width), chance.uniform(0, picture.height * 0.5)
        pen.ellipse(disc(at, chance.uniform(1.5, 4)), (150, 156, 190))


def _house(
    picture: Image.Image,
    place: tuple[float, float, float],
    colour: Colour,
    lit: float,
    chance: Random,
) -> None:
    left, top, right = place
    pen = ImageDraw.Draw(picture)
    roof = chance.choice(("flat", "flat", "step", "mast", "gable"))
    if roof == "step":
        pen.rectangle((left + 30, top - 36, right - 30, top), colour)
    elif roof == "mast":
        pen.rectangle(((left + right) / 2 - 3, top - 130, (left + right) / 2 + 3, top), colour)
    elif roof == "gable":
        pen.polygon([(left, top), ((left + right) / 2, top - 54), (right, top)], colour)
    pen.rectangle((left, top, right, picture.height), colour)
    if not lit:
        return
    dark = mix(colour, (0, 0, 0), 0.22)
    columns = round((right - left - 24) // 35)
    margin = (right - left - columns * 35 + 17) / 2
    for row in range(int((picture.height - top - 24) // 48)):
        for column in range(columns):
            x, y = left + margin + column * 35, top + 28 + row * 48
            warm = mix((255, 196, 110), (255, 236, 190), chance.random())
            window = warm if chance.random() < lit else dark
            pen.rectangle((x, y, x + 17, y + 25), window)
