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
