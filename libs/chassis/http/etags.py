"""Conditional requests by entity tag (RFC 9110, 13.1.2)."""

from starlette.types import Send


def matches(header: str | None, etag: str) -> bool:
    """Whether `header`, the value of If-None-Match, contains the tag or is `*`."""
    if not header or header == etag:
        return header == etag
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


def cache_headers(etag: str) -> list[tuple[bytes, bytes]]:
    """A browser may store the response, but must revalidate it before each use."""
    return [(b"etag", etag.encode()), (b"cache-control", b"private, no-cache")]


async def send_json(send: Send, body: bytes, etag: str, if_none_match: bytes) -> None:
    """Sends JSON as an ASGI response, or 304 if the client has it already."""
    headers = cache_headers(etag)
    if matches(if_none_match.decode("latin-1"), etag):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body"})
        return
    headers.append((b"content-type", b"application/json"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
