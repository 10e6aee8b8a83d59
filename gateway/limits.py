"""How much each may ask for in a minute: a person of every kind of call, an address where nobody is
signed in, and whoever guesses keys.

A generic cell rate algorithm: of each is known when their allowance is whole again, one number.
What other gateways have let through is told by `sharing`. Times are those of `time.monotonic`.
"""

import hashlib
import ipaddress
import math
import time
from functools import lru_cache

from prometheus_client import Counter
from starlette.types import Scope

from chassis import api_keys
from chassis.errors import TooManyRequests

from .settings import Settings

MINUTE = 60.0
_SHARED_FROM = MINUTE / 4
"""Who has used less than this part of a minute's calls is nobody that other gateways hear of."""
_ROUNDING = 1e-6
_LONGEST_PENALTY = 10 * MINUTE
_REMEMBERED = 100_000
_IPV6_HOME = 64
"""Bits of an address that are one household's or host's: the rest is theirs to choose."""

Who = int | str
Header = tuple[bytes, bytes]

LIMITED = Counter("warble_gateway_limited_total", "Requests over a limit.", ["limit"])


class Allowance:
    """So many calls a minute for each, all of a minute's at once if they like."""

    def __init__(self, name: str, per_minute: int) -> None:
        self.name = name
        self._policy = (b"ratelimit-policy", f'"{name}";q={per_minute};w=60'.encode())
        self._left = f'"{name}";r=%d;t=%d'.encode()
        self._step = MINUTE / per_minute
        self._whole_at: dict[Who, float] = {}
        self._spent: dict[Who, float] = {}
        """Calls that other gateways have not been told of."""

    def take(self, who: Who, now: float) -> tuple[Header, Header]:
        """One call, and the headers of its answer (draft-ietf-httpapi-ratelimit-headers).

        Raises TooManyRequests.
        """
        owed = self._whole_at.get(who, now) - now
        if owed < 0:
            owed = 0.0
        elif owed + self._step > MINUTE + _ROUNDING:
            raise self._refusal(owed)
        if owed > _SHARED_FROM:
            self._spent[who] = self._spent.get(who, owed / self._step) + 1
        owed += self._step
        self._whole_at[who] = now + owed
        left = self._left % ((MINUTE - owed + _ROUNDING) / self._step, owed + 1)
        return self._policy, (b"ratelimit", left)

    def check(self, who: Who, now: float) -> None:
        """Raises TooManyRequests where `take` would, and takes nothing."""
        owed = self._whole_at.get(who, now) - now
        if owed + self._step > MINUTE + _ROUNDING:
            raise self._refusal(owed)

    def fine(self, who: Who, now: float) -> None:
        """Takes a call also where none is left: the next one waits for longer."""
        owed = max(self._whole_at.get(who, now) - now, 0.0)
        self._spent[who] = self._spent.get(who, owed / self._step) + 1
        self._owe(who, owed + self._step, now)

    def told(self, who: Who, calls: float, now: float) -> None:
        """What another gateway let through."""
        owed = max(self._whole_at.get(who, now) - now, 0.0)
        # What went through here before is told to it in turn.
        self._spent.setdefault(who, owed / self._step)
        self._owe(who, owed + calls * self._step, now)

    def _owe(self, who: Who, seconds: float, now: float) -> None:
        self._whole_at[who] = now + min(seconds, _LONGEST_PENALTY)

    def untold(self, now: float) -> list[tuple[Who, float]]:
        """What went through here since this was asked last. Forgets who has used nothing lately."""
        spent = [(who, calls) for who, calls in self._spent.items() if calls > 0]
        if len(self._whole_at) > _REMEMBERED:
            self._whole_at = {who: at for who, at in self._whole_at.items() if at > now}
        self._spent = {who: 0.0 for who in self._spent if self._whole_at.get(who, now) > now}
        return spent

    def _refusal(self, owed: float) -> TooManyRequests:
        LIMITED.labels(self.name).inc()
        wait = math.ceil(owed + self._step - MINUTE)
        return TooManyRequests(
            {
                "Retry-After": str(wait),
                "RateLimit-Policy": self._policy[1].decode(),
                "RateLimit": f'"{self.name}";r=0;t={wait}',
            }
        )


class Limits:
    def __init__(self, settings: Settings) -> None:
        self.on = settings.rate_limits == "on"
        self.sign_ins = Allowance("sign-in", settings.sign_ins_per_minute)
        self.guesses = Allowance("guess", settings.guesses_per_minute)
        by_kind = {
            "read": settings.reads_per_minute,
            "write": settings.writes_per_minute,
            "upload": settings.uploads_per_minute,
            "search": settings.searches_per_minute,
            "download": settings.downloads_per_minute,
        }
        self.by_kind = {name: Allowance(name, most) for name, most in by_kind.items()}
        """As `routes` names the kinds."""

    def all(self) -> list[Allowance]:
        return [*self.by_kind.values(), self.sign_ins, self.guesses]


class Guesses:
    """Keys that were nobody's, counted by the address that they came from and by how they began.

    A key that was good is known, one that has ended is told apart by users, and the same wrong one
    again is no further guess: so who types well, and a script whose key was revoked, count nothing.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._wrong: set[bytes] = set()

    def check(self, caller: Scope, key: bytes) -> None:
        """Raises TooManyRequests."""
        now = time.monotonic()
        self._allowance.check(address_of(caller), now)
        self._allowance.check(_beginning(key), now)

    def note(self, caller: Scope, key: bytes, digest: bytes) -> None:
        if digest in self._wrong:
            return
        if len(self._wrong) >= _REMEMBERED:
            self._wrong.clear()
        self._wrong.add(digest)
        now = time.monotonic()
        self._allowance.fine(address_of(caller), now)
        self._allowance.fine(_beginning(key), now)


def _beginning(key: bytes) -> str:
    """Not the characters themselves: they are told to other gateways."""
    return "key:" + hashlib.sha256(key[: api_keys.HINT_LENGTH]).hexdigest()[:16]


def address_of(scope: Scope) -> str:
    """Who is at the other end, as far as a limit is concerned."""
    client = scope.get("client")
    return _home(client[0]) if client else ""


@lru_cache(10_000)
def _home(host: str) -> str:
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_HOME), strict=False))
