"""What an event is: its class, its name in the log of events, its way through JSON.

Which events exist, and who reads them, is each service's own affair.
"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

EXCHANGE = "warble.events"


class Event(BaseModel):
    """A fact that happened. Unknown fields are ignored: a producer may add some at any time.

    An event that cannot be read is logged and reported, and what it says may be a person's text.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    routing_key: ClassVar[str]
    """`noun.verb.vN`; written out in every event, since it outlives the class's name."""

    awaited: ClassVar[bool] = True
    """Whether its author's next read has to know of it: the answer of the write names it then."""


@dataclass(frozen=True, slots=True)
class EventId:
    """Names one event of the whole system: the producing service and its outbox id.

    The outbox id also serves as the version of the aggregate that changed: it is drawn while the
    aggregate's row is locked, so it grows with each change to that aggregate.
    """

    source: str
    number: int

    def __str__(self) -> str:
        return f"{self.source}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """Raises ValueError for anything that `str` of an id cannot have written."""
        source, _, number = text.partition(":")
        if not (source.isascii() and source.isalpha() and source.islower() and len(source) <= 20):
            raise ValueError("an event id begins with a service's name")
        if not (number.isascii() and number.isdecimal() and len(number) <= 18):
            raise ValueError("an event id ends with a number")
        return cls(source=source, number=int(number))
