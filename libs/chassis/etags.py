"""Versions that a client says it has (RFC 9110, 13.1.2)."""


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this version, by itself or by naming any."""
    if not header or header == etag:
        return header == etag
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags
