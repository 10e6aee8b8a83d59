"""What a picture may be, and how it is made harmless: decoded, and written anew."""

import io
import re
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

TYPES = {
    "JPEG": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}
"""The kinds that are taken: the content's type, and the ending of a name."""

# They trade a few percent of size for about half of the time.
_ENCODERS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 88, "progressive": True, "optimize": True},
    "PNG": {"compress_level": 3},
    "WEBP": {"quality": 85, "method": 2},
    "GIF": {},
}
_ANIMATED = ("GIF", "WEBP")
_SRGB = ImageCms.createProfile("sRGB")

# Here, where it is done once, and not in each decoder anew.
Image.init()

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
THUMBNAIL_BYTES = 48_000
"""Twenty of them are less than a megabyte, whatever was photographed."""
_THUMBNAIL_QUALITIES = (90, 75, 60, 45, 30)
_THUMBNAIL_STEP = 0.8


class NotAPicture(Exception):
    """No whole picture of a kind that is taken."""


class TooLarge(Exception):
    """More than the limits allow."""


@dataclass(frozen=True)
class Limits:
    bytes: int
    pixels: int
    """An animation's frames count together."""
    frames: int
    seconds: int
    """Of a processor, for all that is done with one picture."""

    @property
    def written(self) -> int:
        """Bytes of the picture written anew. A small file may say in few words what is large."""
        return 3 * self.bytes


@dataclass(frozen=True)
class Picture:
    kind: str
    content: bytes
    width: int
    height: int
    thumbnail: bytes
    """A small WebP of it; of an animation, the first frame."""

    @property
    def content_type(self) -> str:
        return TYPES[self.kind][0]

    @property
    def extension(self) -> str:
        return TYPES[self.kind][1]


def clean(raw: bytes, limits: Limits) -> Picture:
    """The picture written anew: upright, in sRGB, an animation still moving, nothing else in it.

    Raises NotAPicture, judged by decoding and never by name; TooLarge, before decoding what would
    be; MemoryError.
    """
    # Pillow's own limit is needed too: a GIF's frame that lies outside of the canvas enlarges it,
    # and the memory is taken before anybody can ask for the new size.
    Image.MAX_IMAGE_PIXELS = limits.pixels
    if _is_overlong(raw):
        raise NotAPicture
    try:
        # As it was decoded it is let go of before it is written: each copy takes its memory anew.
        kind, frames, loop = _decoded(raw, limits)
        picture = _written(kind, frames, loop)
    except (TooLarge, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge from error
    except Exception as error:
        # The decoders raise all kinds of errors for crafted files; none of them is ours.
        raise NotAPicture from error
    if len(picture.content) > limits.written:
        raise TooLarge
    return picture


def _decoded(raw: bytes, limits: Limits) -> tuple[str, list[Image.Image], int | None]:
    """The kind, the frames, and how often an animation says that it plays."""
    with Image.open(io.BytesIO(raw), formats=list(TYPES)) as image:
        # A phone's JPEG with a second picture in it: the first one counts.
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        _check_size(image, 1, limits)
        if kind in _ANIMATED and getattr(image, "is_animated", False):
            return kind, _frames(image, limits), image.info.get("loop")
        return kind, [_plain(image, kind)], None


def _check_size(image: Image.Image, frames: int, limits: Limits) -> None:
    if frames > limits.frames or image.width * image.height * frames > limits.pixels:
        raise TooLarge


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
    # In place, here and below: a picture held twice takes twice the memory.
    ImageOps.exif_transpose(image, in_place=True)
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
        if image.has_transparency_data and image.mode != "RGBA":
            image = image.convert("RGBA")
        elif image.mode == "P":
            image = image.convert("RGB")
        if image.mode in ("RGB", "RGBA"):
            ImageCms.profileToProfile(image, source, _SRGB, inPlace=True)
        elif image.mode in ("L", "CMYK"):
            return ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB") or image
        return image
    except (ImageCms.PyCMSError, OSError):
        # A broken profile says nothing: the colours are taken as they are.
        return image


def _frames(image: Image.Image, limits: Limits) -> list[Image.Image]:
    """All frames; each is counted before it is decoded, since counting first may take minutes."""
    frames = []
    for number, frame in enumerate(ImageSequence.Iterator(image), 1):
        _check_size(frame, number, limits)
        whole = frame.convert("RGBA")
        whole.info["duration"] = frame.info.get("duration", 100)
        frames.append(_plain(whole, str(image.format)))
    return frames


def _written(kind: str, frames: list[Image.Image], loop: int | None = None) -> Picture:
    options = _ENCODERS[kind]
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
    return Picture(kind, out.getvalue(), width, height, _thumbnail(first))


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
            if out.tell() <= THUMBNAIL_BYTES:
                return out.getvalue()
        scale *= _THUMBNAIL_STEP
