"""OpenID Connect: discovers a provider, redeems its codes and checks its tokens.

This package knows nothing of people and tables. `tokens` lists the checks on which trust in a token
depends, `client` calls the provider, and `provider` joins both. No token, code or secret may
reach a log or an error message.
"""

from .provider import Provider, Providers, SignedOnAccount
from .tokens import Logout

__all__ = ["Logout", "Provider", "Providers", "SignedOnAccount"]
