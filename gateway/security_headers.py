"""Security headers of responses.

The proxy is the hot path and appends tuples of headers that are built once (`api_headers`,
`media_headers`). The application sets some of these headers itself, so `add_missing` adds only
those that are missing. There is no CORS: pages of other origins can read no response.
"""

from starlette.types import Message, Scope, Send

from .limits import Header

_HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
"""A browser that has been here by HTTPS uses nothing else for a year (RFC 6797)."""

_CONTENT_SECURITY_POLICY: Header = (
    b"content-security-policy",
    b"default-src 'none'; frame-ancestors 'none'",
)
"""For JSON, in case somebody opens it as a page."""

_COMMON: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
NO_STORE: Header = (b"cache-control", b"no-store")

_API = (*_COMMON, _CONTENT_SECURITY_POLICY)
_API_HTTPS = (*_API, _HSTS)
_MEDIA_HTTPS = (_HSTS,)


def is_https(scope: Scope) -> bool:
    return bool(scope["scheme"] == "https")


def api_headers(scope: Scope) -> tuple[Header, ...]:
    return _API_HTTPS if is_https(scope) else _API


def media_headers(scope: Scope) -> tuple[Header, ...]:
    """Those that the media service does not set itself."""
    return _MEDIA_HTTPS if is_https(scope) else ()


def add_missing(scope: Scope, send: Send) -> Send:
    """Wraps `send`, so that every response has the headers."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = dict(message["headers"])
            required = [*_COMMON, NO_STORE]
            if present.get(b"content-type") == b"application/json":
                required.append(_CONTENT_SECURITY_POLICY)
            if is_https(scope):
                required.append(_HSTS)
            missing = [header for header in required if header[0] not in present]
            message = {**message, "headers": [*message["headers"], *missing]}
        await send(message)

    return send_with_headers
