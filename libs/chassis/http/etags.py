"""Conditional requests by entity tag (RFC 9110, 13.1.2)."""


def matches(header: str | None, etag: str) -> bool:
    """Whether `header`, the value of If-None-Match, contains the tag or is `*`."""
    if not header or header == etag:
        return header == etag
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags
