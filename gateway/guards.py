"""What an answer tells the browser that gets it, beside its content.

The hot path adds pairs that are made ahead; the rarely asked application is looked over for what
it has not said itself. There is no CORS: to a page of another origin all answers are closed.
"""

from starlette.types import Message, Scope, Send

from .limits import Header

_BY_HTTPS_ALONE: Header = (b"strict-transport-security", b"max-age=31536000")
"""A browser that has seen it by HTTPS comes by nothing else for a year (RFC 6797)."""

_POLICY: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""For what is no page, should somebody open it as one."""

_EVERYWHERE: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
NOT_KEPT: Header = (b"cache-control", b"no-store")

_API = (*_EVERYWHERE, _POLICY)
_API_BY_HTTPS = (*_API, _BY_HTTPS_ALONE)
_PICTURE_BY_HTTPS = (_BY_HTTPS_ALONE,)


def is_https(scope: Scope) -> bool:
    return bool(scope["scheme"] == "https")


def of_api(scope: Scope) -> tuple[Header, ...]:
    return _API_BY_HTTPS if is_https(scope) else _API


def of_picture(scope: Scope) -> tuple[Header, ...]:
    """What media does not say itself."""
    return _PICTURE_BY_HTTPS if is_https(scope) else ()


def looked_over(scope: Scope, send: Send) -> Send:
    """Has an answer also say what it should and does not."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = dict(message["headers"])
            wanted = [*_EVERYWHERE, NOT_KEPT]
            if said.get(b"content-type") == b"application/json":
                wanted.append(_POLICY)
            if is_https(scope):
                wanted.append(_BY_HTTPS_ALONE)
            missing = [header for header in wanted if header[0] not in said]
            message = {**message, "headers": [*message["headers"], *missing]}
        await send(message)

    return send_on
