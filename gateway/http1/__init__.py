"""A lean HTTP/1.1 client for the services: pooled connections, bodies streamed both ways.

It knows what the gateway needs and no more: no redirects, cookies, proxies, compression or TLS. Why
it is there: docs/adr/0013.
"""

from .client import Client
from .response import Broken, Full, NoConnection, Response, Silent

__all__ = ["Broken", "Client", "Full", "NoConnection", "Response", "Silent"]
