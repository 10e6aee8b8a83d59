"""Signing in with the company's account: the browser's way to an identity provider and back.

`start` sends the browser to the provider and sets a cookie that binds the answer to this browser.
The provider sends the browser back to `callback`, which exchanges the answer for a session, as
signing in with a key does. A failure opens the page with the name of the error, because a person
looks at the response. Users checks everything: see `services/users/openid` and docs/adr/0037.
"""

from .api import router

__all__ = ["router"]
