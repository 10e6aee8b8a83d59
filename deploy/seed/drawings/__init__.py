"""The demonstration's pictures: drawn three times too large, then reduced, for smooth edges."""

import io
from functools import cache
from random import Random

from PIL import Image

from .desk import coffee, whiteboard
from .outdoors import bridge, landscape, skyline
from .paper import SCALE, Drawing
from .posters import arch, circles, stairs, tiles, waves
from .survey import survey
from .technical import chart, plan


@cache
def png(name: str) -> bytes:
    """The drawing of this name, the same each time."""
    picture = DRAWINGS[name](Random(name))  # noqa: S311 (the same picture again, nothing secret)
    small = picture.resize(
        (picture.width // SCALE, picture.height // SCALE), Image.Resampling.LANCZOS
    )
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()


SHOWN = {
    "arch": "Poster: gates within gates, a sun and a long shadow",
    "bridge": "Вантовый мост на рассвете, вид с берега",
    "chart": "Two falling curves: heating by month, last year and this",
    "circles": "Poster: circles in three colours",
    "city": "A city of many storeys at dawn, some windows lit",
    "coffee": "A cup of coffee from above, a leaf in its foam, two biscuits",
    "hills": "Green hills one behind another, under a clear sky",
    "morning": "Sunrise over violet hills",
    "night": "The city at night, its windows lit",
    "plan": "Floor plan: classrooms on both sides of a street with trees",
    "stairs": "Poster: two flights of stairs in strong light, somebody climbs",
    "sunset": "The sun goes down behind dark hills",
    "survey": "План участка: горизонтали и отметки высот",
    "tiles": "Tiles: quarter circles turned at random",
    "waves": "Poster: bands that cover each other like cut paper",
    "whiteboard": "A whiteboard: how a tweet reaches its readers, in four markers",
}
"""Each drawing in words, as whoever posts it describes it."""

DRAWINGS: dict[str, Drawing] = {
    "arch": arch,
    "bridge": bridge,
    "chart": chart,
    "circles": circles,
    "city": skyline(
        (1200, 700), ((168, 186, 204), (222, 220, 214)), ((186, 196, 206), (70, 82, 98)), 0.1
    ),
    "coffee": coffee,
    "hills": landscape(
        (1200, 750), ((140, 196, 236), (236, 244, 240)), (168, 202, 184), (30, 84, 58),
        (255, 250, 226),
    ),
    "morning": landscape(
        (1280, 720), ((250, 190, 150), (255, 240, 214)), (236, 176, 146), (92, 54, 78),
        (255, 248, 220),
    ),
    "night": skyline(
        (900, 1100), ((10, 16, 44), (76, 60, 112)), ((72, 62, 112), (16, 16, 34)), 0.34
    ),
    "plan": plan,
    "stairs": stairs,
    "sunset": landscape(
        (1200, 800), ((64, 48, 110), (252, 158, 100)), (172, 84, 112), (28, 20, 50),
        (255, 220, 160),
    ),
    "survey": survey,
    "tiles": tiles,
    "waves": waves,
    "whiteboard": whiteboard,
}  # fmt: skip
