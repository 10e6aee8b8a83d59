"""A minimal HTTP/1.1 client for the services: pooled connections, bodies streamed both ways.

It supports what the gateway needs and nothing else: no redirects, cookies, proxies, compression or
TLS. docs/adr/0013 says why the gateway has a client of its own and what was measured. The errors
have the names that httpx gives to the same conditions.
"""

from .client import REPEATABLE_METHODS, HttpClient
from .response import (
    ConnectError,
    IdleConnectionClosed,
    PoolFull,
    ReadTimeout,
    RemoteProtocolError,
    Response,
)

__all__ = [
    "REPEATABLE_METHODS",
    "ConnectError",
    "HttpClient",
    "IdleConnectionClosed",
    "PoolFull",
    "ReadTimeout",
    "RemoteProtocolError",
    "Response",
]
