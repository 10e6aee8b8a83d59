"""Decodes an uploaded picture with libvips and encodes its pixels again.

Only the pixels reach the new file. Metadata, such as the place where a photograph was taken, and
anything hidden in the upload, such as a script, do not. libvips is configured for a process that
decodes one picture (see `decoder_process`): it loads four formats only, uses one worker thread and
caches nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pyvips

from .pictures import (
    PORTRAIT_SIDES,
    THUMBNAIL_BYTES,
    TYPES,
    BudgetExceeded,
    LimitExceeded,
    Limits,
    NotAPicture,
    Picture,
    PortraitFiles,
    Square,
    SquareOutside,
)

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_LOADERS = ("Jpeg", "Png", "Webp", "Nsgif")

_ENCODERS: dict[str, dict[str, Any]] = {
    # A progressive or optimized JPEG is 8 % smaller, takes six times the time and holds the whole
    # picture in memory.
    "JPEG": {"Q": 88},
    "PNG": {},
    # Effort 2 is 4 % smaller and takes twice the time.
    "WEBP": {"Q": 85, "effort": 0},
    # Without dithering, and from effort 4 on, a frame of up to 256 colours keeps them exactly.
    "GIF": {"dither": 0, "effort": 4, "interpalette_maxerror": 0},
}
_EXACT_PALETTE = {"palette": True, "dither": 0, "effort": 4}
_LOSSLESS_WEBP = {"lossless": True, "effort": 1}

_THUMBNAIL_SIDE = 720
_THUMBNAIL_QUALITIES = (85, 70, 55, 40, 25)
_THUMBNAIL_STEP = 0.8
_TINY_PIXELS = 64 * 64
LONG_RATIO = 2
"""A picture is long if it is more than this many times as high as wide: a thumbnail of all of it
would be an unreadable strip. The page uses the same number (`isLong` in web/src/api/client.ts)."""
_LONG_CROP = 5 / 4
"""The thumbnail of a long picture is its top: this many times as high as wide."""

_NO_RESIZE = 10_000_000
"""The side of a square that every picture fits into (libvips' VIPS_MAX_COORD)."""

pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in _LOADERS:
    pyvips.operation_block_set(f"VipsForeignLoad{_loader}", False)
pyvips.block_untrusted_set(True)
pyvips.concurrency_set(1)
pyvips.cache_set_max(0)


def clean(raw: bytes, limits: Limits) -> Picture:
    """The same picture, upright, in sRGB and without metadata. An animation stays animated.

    Raises NotAPicture, LimitExceeded before anything is decoded, and BudgetExceeded.
    """
    picture = _process(_clean, raw, limits)
    if len(picture.content) > limits.encoded_bytes:
        raise BudgetExceeded
    return picture


def portrait(raw: bytes, limits: Limits, square: Square | None) -> PortraitFiles:
    """A square of the picture, in the sizes of a person's picture. Of an animation, the first
    frame. Without a square, the largest one around the centre.

    Raises what `clean` raises, and SquareOutside.
    """
    return _process(lambda upload: _portrait(upload, square), raw, limits)


T = TypeVar("T")


def _process(
    process: Callable[["_Upload"], T], raw: bytes, limits: Limits, fail_on: str = "error"
) -> T:
    """`fail_on` is the severity of a fault at which libvips stops (VipsFailOn)."""
    try:
        return process(_inspect(raw, limits, fail_on))
    except pyvips.Error as error:
        if "out of memory" in str(error):
            raise BudgetExceeded from error
        if fail_on == "error" and raw.startswith(_JPEG_START):
            # Some programs leave out the end marker. With one added, a complete JPEG decodes
            # without any warning, a truncated one does not.
            return _process(process, raw + _JPEG_END, limits, fail_on="warning")
        raise NotAPicture from error


@dataclass(frozen=True)
class _Upload:
    """What the headers of an uploaded file say."""

    raw: bytes
    fail_on: str
    kind: str
    frames: int
    has_profile: bool
    encoder: dict[str, Any]
    """The options with which libvips encodes the same pixels."""

    @property
    def is_lossless_webp(self) -> bool:
        return self.kind == "WEBP" and b"VP8L" in self.raw


def _inspect(raw: bytes, limits: Limits, fail_on: str) -> _Upload:
    header = pyvips.Image.new_from_buffer(raw, "")
    fields = header.get_fields()
    kind = header.get("vips-loader").removesuffix("load_buffer").upper()
    # `get_n_pages` says 1 for 10,000 and more.
    frames = int(header.get("n-pages")) if "n-pages" in fields else 1
    if frames > limits.frames:
        raise LimitExceeded("frames", limits.frames, frames)
    pixels = header.width * header.height * frames
    if pixels > limits.pixels:
        raise LimitExceeded("pixels", limits.pixels, pixels)
    encoder = _ENCODERS[kind]
    if kind == "PNG" and "palette" in fields:
        encoder = _EXACT_PALETTE
    elif kind == "PNG" and header.bands == 1 and header.get("bits-per-sample") < 8:
        encoder = {"bitdepth": header.get("bits-per-sample")}
    return _Upload(raw, fail_on, kind, frames, "icc-profile-data" in fields, encoder)


def _decode(
    upload: _Upload, width: int = _NO_RESIZE, height: int = _NO_RESIZE, *, frames: int | None = None
) -> pyvips.Image:
    """The picture, upright and in sRGB, made smaller where it does not fit.

    libvips decodes while the result is read, a few rows at a time.
    """
    frames = frames or upload.frames
    loader = f"fail_on={upload.fail_on}"
    options: dict[str, Any] = {}
    # Without a profile the colours are sRGB already; libvips would convert them slowly.
    if upload.has_profile:
        options["export_profile"] = "srgb"
    if frames > 1:
        loader += f",n={frames}"
        options["no_rotate"] = True
    image = pyvips.Image.thumbnail_buffer(
        upload.raw, width, height=height, size="down", option_string=loader, **options
    )
    if frames > 1 and "orientation" in image.get_fields():
        # The frames lie below each other in one image, which must not be rotated as a whole.
        first, *rest = (page.autorot() for page in image.copy_memory().pagesplit())
        return first.pagejoin(rest)
    return image


def _clean(upload: _Upload) -> Picture:
    content, width, height = _encode(upload)
    thumbnail, colour = _thumbnail(upload, is_long=height > LONG_RATIO * width)
    is_animated_png = upload.kind == "PNG" and b"acTL" in upload.raw.partition(b"IDAT")[0]
    return Picture(upload.kind, content, width, height, thumbnail, colour, is_animated_png)


def _portrait(upload: _Upload, square: Square | None) -> PortraitFiles:
    image = _decode(upload, frames=1)
    square = square or _centre(image.width, image.height)
    if square.x + square.size > image.width or square.y + square.size > image.height:
        raise SquareOutside
    image = image.crop(square.x, square.y, square.size, square.size)
    files = {}
    # From the largest size down, so that the upload is decoded once.
    for name, side in sorted(PORTRAIT_SIDES.items(), key=lambda size: -size[1]):
        image = image.thumbnail_image(side, height=side, size="down").copy_memory()
        files[name] = _encode_thumbnail(upload, image)
    return PortraitFiles(**files)


def _centre(width: int, height: int) -> Square:
    size = min(width, height)
    return Square((width - size) // 2, (height - size) // 2, size)


def _encode(upload: _Upload) -> tuple[bytes, int, int]:
    """The content of the picture's new file, its width and its height."""
    image = _decode(upload)
    content = _save(image, upload.kind, **upload.encoder)
    width, height = image.width, image.get_page_height()
    # An image holds the memory of its decoder, and its rows can be read once only.
    del image
    if upload.is_lossless_webp:
        lossless = _save(_decode(upload), upload.kind, **_LOSSLESS_WEBP)
        content = min(lossless, content, key=len)
    return content, width, height


def _save(image: pyvips.Image, kind: str, **options: Any) -> bytes:
    content: bytes = image.write_to_buffer(f".{TYPES[kind][1]}", keep="none", **options)
    return content


def _thumbnail(upload: _Upload, *, is_long: bool) -> tuple[bytes, str | None]:
    """A WebP of at most THUMBNAIL_BYTES, and its average colour."""
    height = _NO_RESIZE if is_long else _THUMBNAIL_SIDE
    small = _decode(upload, _THUMBNAIL_SIDE, height, frames=1)
    if is_long:
        small = small.crop(0, 0, small.width, round(small.width * _LONG_CROP))
    small = small.copy_memory()
    return _encode_thumbnail(upload, small), _average_colour(small)


def _average_colour(image: pyvips.Image) -> str | None:
    """As `#rrggbb`. None if a part is transparent: a page would show the colour through it."""
    # Grey pictures have fewer bands, others 16 bits or the colours of printing.
    stats = image.colourspace("srgb").stats()
    # A row per band, after one for all bands. Column 0 is the minimum, column 4 the mean.
    if image.hasalpha() and stats.getpoint(0, 4)[0] < 255:
        return None
    return "#" + "".join(f"{round(stats.getpoint(4, band)[0]):02x}" for band in (1, 2, 3))


def _encode_thumbnail(upload: _Upload, small: pyvips.Image) -> bytes:
    # Drawings and screenshots have sharp edges between colours, photographs have not.
    is_drawing = upload.kind in ("PNG", "GIF") or upload.is_lossless_webp
    lossless = _save(small, "WEBP", **_LOSSLESS_WEBP) if is_drawing else None
    if lossless and small.width * small.height <= _TINY_PIXELS:
        return lossless
    while True:
        for quality in _THUMBNAIL_QUALITIES:
            lossy = _save(small, "WEBP", Q=quality, effort=2, smart_subsample=is_drawing)
            if lossless and len(lossless) <= min(len(lossy), THUMBNAIL_BYTES):
                return lossless
            if len(lossy) <= THUMBNAIL_BYTES:
                return lossy
        small = small.resize(_THUMBNAIL_STEP)
        lossless = None
