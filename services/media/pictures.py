"""What a picture is: the accepted formats, the limits of an upload, and what becomes of it.

It is apart from `picture_decoding`, because only the process that decodes a picture needs libvips,
whose import takes 11 MB.
"""

from dataclasses import dataclass
from typing import Literal

TYPES = {
    "JPEG": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}
"""The accepted formats: media type and file name extension."""

THUMBNAIL_TYPE = "image/webp"
THUMBNAIL_EXTENSION = "webp"
THUMBNAIL_BYTES = 48_000
"""Twenty thumbnails, a page of the feed, stay below a megabyte."""
PORTRAIT_SIDES = {"small": 48, "medium": 128, "large": 400}
"""The sizes of a person's picture: the side of the square, in pixels. A smaller one stays small."""


class NotAPicture(Exception):
    """The content is no complete picture of an accepted format."""


class SquareOutside(Exception):
    """The square of a portrait is not inside the picture."""


class BudgetExceeded(Exception):
    """Decoding needs more memory or time, or encoding more bytes, than one picture may use."""


@dataclass
class LimitExceeded(Exception):
    unit: Literal["bytes", "pixels", "frames"]
    """The attribute of Limits."""
    limit: int
    actual: int


@dataclass(frozen=True)
class Limits:
    bytes: int
    pixels: int
    """Of all frames of an animation together."""
    frames: int
    seconds: int
    """CPU time for one picture."""

    @property
    def encoded_bytes(self) -> int:
        """A small file can describe a picture that no encoder makes small again."""
        return 3 * self.bytes


@dataclass(frozen=True)
class Picture:
    kind: str
    content: bytes
    width: int
    height: int
    thumbnail: bytes
    """A small WebP: the first frame of an animation, the top of a long picture."""
    colour: str | None
    """The average colour of the thumbnail, as `#rrggbb`. None if a part of it is transparent."""
    first_frame_only: bool
    """The upload is an animated PNG, of which libvips loads the first frame only."""

    @property
    def content_type(self) -> str:
        return TYPES[self.kind][0]

    @property
    def extension(self) -> str:
        return TYPES[self.kind][1]


@dataclass(frozen=True)
class Square:
    """A part of an upright picture, in its pixels."""

    x: int
    y: int
    size: int


@dataclass(frozen=True)
class PortraitFiles:
    """A person's picture: a WebP in each of PORTRAIT_SIDES."""

    small: bytes
    medium: bytes
    large: bytes
