"""Conditional requests by entity tag (RFC 9110, 13.1.2)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response

_CACHE_CONTROL = "private, no-cache"


def matches(header: str | None, etag: str) -> bool:
    """Whether `header`, the value of If-None-Match, contains the tag or is `*`."""
    if not header:
        return False
    if header == etag:
        return True
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


@dataclass(frozen=True, slots=True)
class TaggedJson:
    """A JSON body with its entity tag: what caches of responses store.

    A browser may store the response, but must revalidate it before each use.
    """

    body: bytes
    etag: str

    @classmethod
    def of(cls, body: bytes) -> "TaggedJson":
        return cls(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')

    def response(self, request: Request, headers: Mapping[str, str] | None = None) -> Response:
        """The response with these further headers; 304 if the client has the body already."""
        headers = {**(headers or {}), "etag": self.etag, "cache-control": _CACHE_CONTROL}
        if matches(request.headers.get("if-none-match"), self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type="application/json", headers=headers)

    def answer(self, if_none_match: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """The same without the framework's cost: status, headers and body."""
        headers = [(b"etag", self.etag.encode()), (b"cache-control", _CACHE_CONTROL.encode())]
        if matches(if_none_match.decode("latin-1"), self.etag):
            return 304, headers, b""
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(self.body)))
        return 200, headers, self.body
