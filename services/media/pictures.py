"""What a picture may be, and how it is made harmless: decoded, and written anew."""

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

from .errors import ImageNotAccepted, ImageTooLarge
from .settings import Settings

_KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JPEG": ("image/jpeg", "jpg", {"quality": 88, "progressive": True, "optimize": True}),
    "PNG": ("image/png", "png", {}),
    "WEBP": ("image/webp", "webp", {"quality": 85}),
    "GIF": ("image/gif", "gif", {}),
}
_ANIMATED = ("GIF", "WEBP")
_SRGB = ImageCms.createProfile("sRGB")

# Sizes are judged below, before anything is decoded, by a limit that is a setting.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Picture:
    content: bytes
    content_type: str
    extension: str
    width: int
    height: int


def clean(raw: bytes, settings: Settings) -> Picture:
    """The picture written anew: upright, in sRGB, an animation still moving, nothing else in it.

    Raises ImageNotAccepted for what is no whole picture of an accepted kind, judged by decoding
    and never by name, and ImageTooLarge before decoding what would be too large.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=list(_KINDS)) as image:
            # A phone's JPEG with a second picture in it: the first one counts.
            kind = "JPEG" if image.format == "MPO" else str(image.format)
            frames = getattr(image, "n_frames", 1) if kind in _ANIMATED else 1
            if frames > settings.frames or image.width * image.height * frames > settings.pixels:
                raise ImageTooLarge(
                    bytes=settings.bytes, pixels=settings.pixels, frames=settings.frames
                )
            if frames > 1:
                return _written(kind, _frames(image), image.info.get("loop", 0))
            return _written(kind, [_upright(image, kind)], 0)
    except ImageTooLarge:
        raise
    except Exception as error:
        # The decoders raise all kinds of errors for crafted files; none of them is ours.
        raise ImageNotAccepted from error


def _upright(image: Image.Image, kind: str) -> Image.Image:
    image.load()
    profile = image.info.get("icc_profile")
    transparency = image.info.get("transparency")
    image = ImageOps.exif_transpose(image)
    if kind == "JPEG" and image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if profile and image.mode in ("L", "RGB", "RGBA", "CMYK"):
        image = _in_srgb(image, profile)
    elif image.mode == "CMYK":
        image = image.convert("RGB")
    image.info = {} if transparency is None else {"transparency": transparency}
    return image


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode=target)
    except (ImageCms.PyCMSError, OSError):
        # A broken profile says nothing: the colours are taken as they are.
        converted = None
    return converted or (image.convert("RGB") if image.mode == "CMYK" else image)


def _frames(image: Image.Image) -> list[Image.Image]:
    frames = []
    for frame in ImageSequence.Iterator(image):
        copy = frame.convert("RGBA")
        copy.info = {"duration": frame.info.get("duration", 100)}
        frames.append(copy)
    return frames


def _written(kind: str, frames: list[Image.Image], loop: int) -> Picture:
    content_type, extension, options = _KINDS[kind]
    first, rest = frames[0], frames[1:]
    out = io.BytesIO()
    if rest:
        options = {
            **options,
            "save_all": True,
            "append_images": rest,
            "duration": [frame.info["duration"] for frame in frames],
            "loop": loop,
            "disposal": 2,
        }
    first.save(out, kind, **options)
    return Picture(out.getvalue(), content_type, extension, first.width, first.height)
