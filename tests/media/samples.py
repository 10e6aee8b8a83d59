"""Pictures for the tests, good ones and crafted ones."""

import io
import random
import struct
import zlib

from PIL import Image, ImageCms

GPS = 0x8825
ORIENTATION = 0x0112
COMMENT = b"a secret place"


def picture(kind: str, width: int = 40, height: int = 20) -> bytes:
    """Red on the left, blue on the right, full of metadata if the format supports it."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[GPS] = {1: "N", 2: (55.0, 45.0, 0.0)}
    exif[0x010E] = COMMENT.decode()
    out = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"exif": exif, "icc_profile": profile} if kind in ("JPEG", "PNG", "WEBP") else {}
    if kind in ("JPEG", "GIF"):
        options["comment"] = COMMENT
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int, height: int) -> bytes:
    """A picture of random pixels, which no encoder can compress."""
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3)).save(
        out, "JPEG", quality=60
    )
    return out.getvalue()


def animation(
    kind: str, frames: int = 3, duration: int | list[int] = 70, **options: object
) -> bytes:
    """Frames of one colour each, wide and low. `options` are the encoder's, such as `loop`."""
    images = [Image.new("RGB", (16, 8), (index * 40 % 256, 90, 30)) for index in range(frames)]
    out = io.BytesIO()
    images[0].save(out, kind, save_all=True, append_images=images[1:], duration=duration, **options)
    return out.getvalue()


def mirrored_colours(kind: str) -> bytes:
    """The pixel values are red; with the colour profile they are blue."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    profile = profile.replace("sRGB".encode("utf-16-be"), "RGBs".encode("utf-16-be"))
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(out, kind, icc_profile=profile)
    return out.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few hundred bytes whose header promises ten gigabytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def growing_gif() -> bytes:
    """66 bytes: one pixel, and a second frame far outside of it."""
    frame = b"\x02\x02\x44\x01\x00"
    return (
        b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"
        + b"".join(b"\x2c" + struct.pack("<HHHHB", at, at, 1, 1, 0) + frame for at in (0, 60_000))
        + b";"
    )


def many_scans() -> bytes:
    """A JPEG whose decoder must process all pixels again and again."""
    out = io.BytesIO()
    Image.new("L", (64, 64), 128).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * 100 + b"\xff\xd9"


NOT_PICTURES = {
    "empty": b"",
    "text": b"hello",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "gif header alone": b"GIF89a",
    "truncated jpeg": picture("JPEG")[:300],
    "truncated png": picture("PNG")[:-60],
    "truncated gif": picture("GIF", 200, 200)[:-40],
    "truncated webp": picture("WEBP")[:-4],
    "jpeg of many scans": many_scans(),
    "bmp": b"BM" + bytes(60),
    "tiff": b"II*\x00" + bytes(60),
    "zip": b"PK\x03\x04" + bytes(60),
}
