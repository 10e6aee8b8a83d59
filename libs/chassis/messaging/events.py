"""What an event is: a class with a routing key, an id, and a JSON form.

Which events exist is each producer's decision: see `services/*/events.py`. A consumer declares its
own class for each event, with the fields that it needs.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

EXCHANGE = "warble.events"
"""The topic exchange at the broker to which every service publishes."""


class Event(BaseModel):
    """A fact of the past. Unknown fields are ignored: a producer may add fields at any time.

    Errors of validation leave the input out: an event that cannot be parsed is logged and reported,
    and its fields may hold a person's text.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    routing_key: ClassVar[str]
    """`noun.verb.vN`. Each class states it, so that renaming the class does not change it."""

    named_in_response: ClassVar[bool] = True
    """Whether the response to the write names the event, so that the author's next read waits until
    the event is handled. False for events that change nothing that anybody reads."""

    _occurred_at: datetime | None = PrivateAttr(None)

    @property
    def occurred_at(self) -> datetime:
        """When the producer recorded the event, in whole milliseconds. It is not a part of the JSON
        form: only an event that was received has it."""
        assert self._occurred_at is not None, "the event was not received"
        return self._occurred_at

    def received(self, occurred_at: datetime) -> Self:
        """Sets the time of the event, which the message or the dump carries beside the payload."""
        self._occurred_at = occurred_at
        return self


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch, rounded down: the form in which messages and dumps carry times.

    A projection that is rebuilt from dumps has the same times as one that was built from messages.
    """
    return int(moment.timestamp() * 1000)


def from_milliseconds(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@dataclass(frozen=True, slots=True)
class EventId:
    """Identifies an event in the whole system: the producing service and the id of its outbox row.

    The number is also the version of the aggregate that changed: see `outbox`.
    """

    source: str
    number: int

    def __str__(self) -> str:
        return f"{self.source}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """Raises ValueError for any text that `str` of an id cannot have produced."""
        source, _, number = text.partition(":")
        if not (source.isascii() and source.isalpha() and source.islower() and len(source) <= 20):
            raise ValueError("an event id begins with a service's name")
        if not (number.isascii() and number.isdecimal() and len(number) <= 18):
            raise ValueError("an event id ends with a number")
        return cls(source=source, number=int(number))
