"""The cookie that binds the provider's answer to the browser in which the sign-on began."""

from fastapi import Request, Response

from ..sessions import public_url

COOKIE = "warble_sign_on"
_LIFETIME_SECONDS = 600


def read_flow_cookie(request: Request) -> str:
    """Empty if there is none: its digest fits no flow, and users refuses the answer."""
    return request.cookies.get(_name(request), "")


def _name(request: Request) -> str:
    """With TLS, a prefix that keeps other hosts of the domain from setting the cookie."""
    return f"__Host-{COOKIE}" if _is_secure(request) else COOKIE


def _is_secure(request: Request) -> bool:
    return public_url(request).startswith("https://")


def set_flow_cookie(request: Request, response: Response, cookie: str) -> None:
    # Not SameSite=strict: the provider's redirect comes from another site.
    response.set_cookie(
        _name(request),
        cookie,
        max_age=_LIFETIME_SECONDS,
        httponly=True,
        samesite="lax",
        secure=_is_secure(request),
    )


def delete_flow_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(
        _name(request), httponly=True, samesite="lax", secure=_is_secure(request)
    )
