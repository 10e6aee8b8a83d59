"""Generates different pictures for thousands of tweets, in a few milliseconds each."""

import io
from random import Random

from PIL import Image

_SIZES = [(480, 360), (640, 480), (800, 600), (960, 720), (1024, 768)]


def generate_picture(seed: str) -> tuple[str, bytes]:
    """File name and content: soft spots of colour, always the same for the same seed.

    They are JPEG, like photographs, and less often PNG with few colours, like screenshots.
    """
    chance = Random(seed)  # noqa: S311 (reproducible, not a secret)
    spots = Image.frombytes("RGB", (4, 3), chance.randbytes(4 * 3 * 3))
    out = io.BytesIO()
    if chance.random() < 0.7:
        picture = spots.resize(chance.choice(_SIZES), Image.Resampling.BILINEAR)
        picture.save(out, "JPEG", quality=80)
        return "picture.jpg", out.getvalue()
    picture = spots.resize(chance.choice(_SIZES), Image.Resampling.NEAREST)
    picture.save(out, "PNG", compress_level=3)
    return "picture.png", out.getvalue()
