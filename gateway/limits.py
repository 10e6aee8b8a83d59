"""Rate limits: per person and kind of call, per address where nobody is signed in, per guesser.

The algorithm is GCRA, the generic cell rate algorithm. It is a leaky bucket that needs one number
per subject: the *theoretical arrival time* (TAT), the moment at which the whole allowance is
available again. Each call moves the TAT by one *emission interval*, which is 60 s divided by the
calls per minute. A call that would move the TAT more than 60 s ahead of now is refused. The code
calls TAT - now the *debt* of a subject, in seconds.

Example: with 60 calls a minute the interval is 1 s. 60 calls at once move the TAT to now + 60 s;
the 61st is refused until a second has passed; a client that makes one call a second is never
refused. So a minute's calls may come in one burst, and with a limit of N no period of t seconds has
more than N + N * t / 60 calls. A check is a look-up, a comparison and a store. There is no round
trip, no timer, and no window whose start a client could wait for.

Each gateway counts in its own memory. `limit_gossip` tells the other gateways what was spent here
(`drain`) and adds what was spent there (`merge`). Times are those of `time.monotonic`, in seconds.
Why, and what it costs: docs/adr/0019.
"""

import hashlib
import ipaddress
import math
import time
from functools import lru_cache

from prometheus_client import Counter
from starlette.types import Scope

from chassis.auth import api_keys
from chassis.http.errors import TooManyRequests

from .settings import Settings

WINDOW_SECONDS = 60.0
_GOSSIP_THRESHOLD_SECONDS = WINDOW_SECONDS / 4
"""Other gateways hear only of subjects that have used more than a quarter of their allowance."""
_ROUNDING = 1e-6
_MAX_DEBT_SECONDS = 10 * WINDOW_SECONDS
"""How far `penalize` and `merge` may move a TAT ahead."""
_MAX_REMEMBERED = 100_000
_IPV6_PREFIX_LENGTH = 64
"""A provider gives a household or a host a whole /64, and the client chooses the last 64 bits. So
all addresses of a /64 are one subject."""

Subject = int | str
"""Who is counted: a person's id, an address, or a hash of how a key begins."""
Header = tuple[bytes, bytes]

RATE_LIMITED = Counter(
    "warble_gateway_rate_limited_total", "Requests refused with 429, by limit.", ["limit"]
)


class GcraLimiter:
    """One limit, counted for each subject."""

    def __init__(self, name: str, per_minute: int) -> None:
        self.name = name
        self._policy = (b"ratelimit-policy", f'"{name}";q={per_minute};w=60'.encode())
        self._remaining = f'"{name}";r=%d;t=%d'.encode()
        self._interval = WINDOW_SECONDS / per_minute
        self._tat: dict[Subject, float] = {}
        self._unreported: dict[Subject, float] = {}
        """Calls that the other gateways do not know of yet."""

    def acquire(self, subject: Subject, now: float) -> tuple[Header, Header]:
        """Counts one call and returns the headers of its response, `RateLimit-Policy` and
        `RateLimit` (draft-ietf-httpapi-ratelimit-headers).

        Raises TooManyRequests, and counts nothing then.
        """
        debt = self._tat.get(subject, now) - now
        if debt < 0:
            debt = 0.0
        elif debt + self._interval > WINDOW_SECONDS + _ROUNDING:
            raise self._refusal(debt)
        if debt > _GOSSIP_THRESHOLD_SECONDS:
            self._unreported[subject] = self._unreported.get(subject, debt / self._interval) + 1
        debt += self._interval
        self._tat[subject] = now + debt
        remaining = (WINDOW_SECONDS - debt + _ROUNDING) / self._interval
        return self._policy, (b"ratelimit", self._remaining % (remaining, debt + 1))

    def allows(self, subject: Subject, now: float) -> bool:
        """Whether `acquire` would count a call."""
        return self._tat.get(subject, now) - now + self._interval <= WINDOW_SECONDS + _ROUNDING

    def check(self, subject: Subject, now: float) -> None:
        """Raises TooManyRequests where `acquire` would, and counts nothing."""
        if not self.allows(subject, now):
            raise self._refusal(self._tat[subject] - now)

    def penalize(self, subject: Subject, now: float) -> None:
        """Counts one call even where none is left, so that the subject waits for longer."""
        debt = max(self._tat.get(subject, now) - now, 0.0)
        self._unreported[subject] = self._unreported.get(subject, debt / self._interval) + 1
        self._set_debt(subject, debt + self._interval, now)

    def merge(self, subject: Subject, calls: float, now: float) -> None:
        """Adds calls that another gateway counted."""
        debt = max(self._tat.get(subject, now) - now, 0.0)
        # This gateway may not have reported its own calls, being below the threshold. Now the
        # subject is above it somewhere, so they are reported in turn.
        self._unreported.setdefault(subject, debt / self._interval)
        self._set_debt(subject, debt + calls * self._interval, now)

    def _set_debt(self, subject: Subject, seconds: float, now: float) -> None:
        self._tat[subject] = now + min(seconds, _MAX_DEBT_SECONDS)

    def drain(self, now: float) -> list[tuple[Subject, float]]:
        """The calls that were counted here since the last `drain`: those of subjects above the
        threshold, and all that `penalize` counted. Also forgets subjects whose whole allowance is
        available again."""
        spent = [(subject, calls) for subject, calls in self._unreported.items() if calls > 0]
        if len(self._tat) > _MAX_REMEMBERED:
            self._tat = {subject: tat for subject, tat in self._tat.items() if tat > now}
        self._unreported = {
            subject: 0.0 for subject in self._unreported if self._tat.get(subject, now) > now
        }
        return spent

    def _refusal(self, debt: float) -> TooManyRequests:
        RATE_LIMITED.labels(self.name).inc()
        wait = math.ceil(debt + self._interval - WINDOW_SECONDS)
        return TooManyRequests(
            {
                "Retry-After": str(wait),
                "RateLimit-Policy": self._policy[1].decode(),
                "RateLimit": f'"{self.name}";r=0;t={wait}',
            }
        )


class RateLimits:
    def __init__(self, settings: Settings) -> None:
        self.enabled = settings.rate_limits == "on"
        """The limit on key guesses applies even if this is false."""
        self.sign_ins = GcraLimiter("sign-in", settings.sign_ins_per_minute)
        self.key_guesses = GcraLimiter("guess", settings.key_guesses_per_minute)
        per_minute = {
            "read": settings.reads_per_minute,
            "write": settings.writes_per_minute,
            "upload": settings.uploads_per_minute,
            "search": settings.searches_per_minute,
            "download": settings.downloads_per_minute,
        }
        self.by_kind = {name: GcraLimiter(name, calls) for name, calls in per_minute.items()}
        """By the `limit_kind` of a route."""

    def all(self) -> list[GcraLimiter]:
        return [*self.by_kind.values(), self.sign_ins, self.key_guesses]


class KeyGuessLimiter:
    """Limits attempts with keys that never existed, by the address that they come from and by how
    the key begins. The second keeps one key from being guessed from many addresses.

    Three things are no guesses, so that honest clients are never refused: a mistyped key (its
    checksum is wrong, see `api_keys`), a key that has ended (users tells them apart), and the same
    wrong key again. Over the limit, only keys that this gateway has not seen valid are refused.
    """

    def __init__(self, limiter: GcraLimiter) -> None:
        self._limiter = limiter
        self._counted: set[bytes] = set()
        """Digests of wrong keys."""

    def check(self, scope: Scope, key: bytes) -> None:
        """Raises TooManyRequests."""
        now = time.monotonic()
        self._limiter.check(client_address(scope), now)
        self._limiter.check(_key_prefix(key), now)

    def record_failure(self, scope: Scope, key: bytes, digest: bytes) -> None:
        if digest in self._counted:
            return
        if len(self._counted) >= _MAX_REMEMBERED:
            self._counted.clear()
        self._counted.add(digest)
        now = time.monotonic()
        self._limiter.penalize(client_address(scope), now)
        self._limiter.penalize(_key_prefix(key), now)


def _key_prefix(key: bytes) -> str:
    """A hash of the first characters, because the subject is sent to the other gateways."""
    return "key:" + hashlib.sha256(key[: api_keys.HINT_LENGTH]).hexdigest()[:16]


def client_address(scope: Scope) -> str:
    """The client's address as a subject of limits: an IPv4 address or an IPv6 /64."""
    client = scope.get("client")
    return _network(client[0]) if client else ""


@lru_cache(10_000)
def _network(host: str) -> str:
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_PREFIX_LENGTH), strict=False))
