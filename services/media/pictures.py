"""What a picture may be, and how it is made harmless: decoded, and written anew."""

import io
import re
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

from .errors import ImageNotAccepted, ImageTooLarge
from .settings import Settings

# The encoders' settings trade a few percent of size for about half of the time.
_KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JPEG": ("image/jpeg", "jpg", {"quality": 88, "progressive": True, "optimize": True}),
    "PNG": ("image/png", "png", {"compress_level": 3}),
    "WEBP": ("image/webp", "webp", {"quality": 85, "method": 2}),
    "GIF": ("image/gif", "gif", {}),
}
_ANIMATED = ("GIF", "WEBP")
_SRGB = ImageCms.createProfile("sRGB")

_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_START, _END, _SCAN = b"\xd8", b"\xd9", b"\xda"

_SCANS = 50
"""Of a JPEG. Encoders write ten or so; a crafted file has a hundred thousand, and each costs a walk
over all pixels."""

_SEGMENTS = 2000
"""Of a JPEG. Pillow joins those of one kind, at a cost that grows with their number squared."""


THUMBNAIL_TYPE = "image/webp"
THUMBNAIL_EXTENSION = "webp"
_THUMBNAIL_SIDE = 720
_THUMBNAIL_BYTES = 48_000
"""Twenty of them are less than a megabyte, whatever was photographed."""
_THUMBNAIL_QUALITIES = (90, 75, 60, 45, 30)
_THUMBNAIL_STEP = 0.8


@dataclass(frozen=True)
class Picture:
    content: bytes
    content_type: str
    extension: str
    width: int
    height: int
    thumbnail: bytes
    """A small WebP of it; of an animation, the first frame."""


def clean(raw: bytes, settings: Settings) -> Picture:
    """The picture written anew: upright, in sRGB, an animation still moving, nothing else in it.

    Raises ImageNotAccepted for what is no whole picture of an accepted kind, judged by decoding
    and never by name, and ImageTooLarge before decoding what would be too large.
    """
    # Pillow's own limit is needed too: a GIF's frame that lies outside of the canvas enlarges it,
    # and the memory is taken before anybody can ask for the new size.
    Image.MAX_IMAGE_PIXELS = settings.pixels
    if _is_overlong(raw):
        raise ImageNotAccepted
    try:
        with Image.open(io.BytesIO(raw), formats=list(_KINDS)) as image:
            # A phone's JPEG with a second picture in it: the first one counts.
            kind = "JPEG" if image.format == "MPO" else str(image.format)
            _check_size(image, 1, settings)
            if kind in _ANIMATED and getattr(image, "is_animated", False):
                frames = _frames(image, settings)
                return _written(kind, frames, image.info.get("loop"))
            return _written(kind, [_plain(image, kind)])
    except ImageTooLarge:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large(settings) from error
    except Exception as error:
        # The decoders raise all kinds of errors for crafted files; none of them is ours.
        raise ImageNotAccepted from error


def too_large(settings: Settings) -> ImageTooLarge:
    return ImageTooLarge(bytes=settings.bytes, pixels=settings.pixels, frames=settings.frames)


def _check_size(image: Image.Image, frames: int, settings: Settings) -> None:
    if frames > settings.frames or image.width * image.height * frames > settings.pixels:
        raise too_large(settings)


def _is_overlong(raw: bytes) -> bool:
    """Whether this is a JPEG of more parts than any encoder writes. What follows it is not read."""
    if not raw.startswith(b"\xff" + _START):
        return False
    scans = segments = position = 0
    while found := _MARKER.search(raw, position):
        marker, position = found[1], found.end()
        segments += 1
        scans += marker == _SCAN
        if marker == _END and scans:
            return False
        if scans > _SCANS or segments > _SEGMENTS:
            return True
        if marker not in (_START, _END):
            # The length that follows counts its own two bytes.
            position += int.from_bytes(raw[position : position + 2])
    return False


def _plain(image: Image.Image, kind: str) -> Image.Image:
    """One picture or frame, upright and in sRGB, without anything that was said about it."""
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if kind == "JPEG" and image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if profile:
        image = _in_srgb(image, profile)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    kept = ("transparency", "duration")
    image.info = {name: image.info[name] for name in kept if name in image.info}
    return image


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image
        if image.has_transparency_data:
            image = image.convert("RGBA")
        elif image.mode == "P":
            image = image.convert("RGB")
        if image.mode not in ("L", "RGB", "RGBA", "CMYK"):
            return image
        target = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode=target) or image
    except (ImageCms.PyCMSError, OSError):
        # A broken profile says nothing: the colours are taken as they are.
        return image


def _frames(image: Image.Image, settings: Settings) -> list[Image.Image]:
    """All frames; each is counted before it is decoded, since counting first may take minutes."""
    frames = []
    for number, frame in enumerate(ImageSequence.Iterator(image), 1):
        _check_size(frame, number, settings)
        whole = frame.convert("RGBA")
        whole.info["duration"] = frame.info.get("duration", 100)
        frames.append(_plain(whole, str(image.format)))
    return frames


def _written(kind: str, frames: list[Image.Image], loop: int | None = None) -> Picture:
    content_type, extension, options = _KINDS[kind]
    first, rest = frames[0], frames[1:]
    out = io.BytesIO()
    if rest:
        options = {
            **options,
            "save_all": True,
            "append_images": rest,
            "duration": [frame.info["duration"] for frame in frames],
            "disposal": 2,
            # A GIF that does not speak of it plays once.
            **({} if loop is None else {"loop": loop}),
        }
    first.save(out, kind, **options)
    width, height = first.size
    return Picture(out.getvalue(), content_type, extension, width, height, _thumbnail(first))


def _thumbnail(image: Image.Image) -> bytes:
    mode = "RGBA" if image.has_transparency_data else "RGB"
    whole = image if image.mode == mode else image.convert(mode)
    scale = min(1.0, _THUMBNAIL_SIDE / max(image.size))
    while True:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = whole.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        for quality in _THUMBNAIL_QUALITIES:
            out = io.BytesIO()
            # Drawings and pictures of screens have sharp edges between colours.
            small.save(out, "WEBP", quality=quality, method=4, use_sharp_yuv=True)
            if out.tell() <= _THUMBNAIL_BYTES:
                return out.getvalue()
        scale *= _THUMBNAIL_STEP
