"""One figure: so many requests, and what they cost whom."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from .accounting import Meter
from .load import Choose, closed

WARM_UP = 300


@dataclass(frozen=True)
class Cost:
    """CPU seconds a request, by part; `rate` is requests a second, all connections busy."""

    by_part: dict[str, float]
    rate: float
    p50: float
    failed: int

    @property
    def total(self) -> float:
        return sum(self.by_part.values())


async def cost(
    url: str,
    choose: Choose,
    groups: Mapping[str, int],
    count: int = 3000,
    connections: int = 16,
    expected: Sequence[int] = (200,),
    before: Callable[[], Awaitable[None]] | None = None,
) -> Cost:
    """`groups` are the first processes of the parts that are counted, by name."""
    more = {} if before is None else {"before": before}
    await closed(url, choose, min(WARM_UP, count), connections, expected, **more)
    meter = Meter(groups)
    measured = await closed(url, choose, count, connections, expected, **more)
    used = meter.used()
    return Cost(
        {name: seconds / count for name, seconds in used.items() if seconds / count > 2e-6},
        measured.rate,
        measured.percentile(0.5),
        measured.failed,
    )
