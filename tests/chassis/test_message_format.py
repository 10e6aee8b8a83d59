"""The form of messages at the broker."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.messaging import message_format
from chassis.messaging.message_format import JSON_LINES, MAX_BYTES, TransportedEvent

payloads = st.dictionaries(st.text(max_size=5), st.text() | st.integers(), max_size=3).map(
    lambda fields: json.dumps(fields, ensure_ascii=False).encode()
)
ids = st.none() | st.text(max_size=10)


def events_of(keys: st.SearchStrategy[str]) -> st.SearchStrategy[TransportedEvent]:
    number = st.integers(1, 10**15)
    event_ids = number.map(lambda value: f"tweets:{value}")
    return st.builds(TransportedEvent, event_ids, keys, payloads, number, ids, ids)


@given(st.lists(events_of(st.just("tweet.liked.v1")), min_size=1, max_size=5))
def test_events_survive_their_message(events: list[TransportedEvent]) -> None:
    message: Any = message_format.encode(events)
    assert message_format.decode(message) == events


@given(st.lists(events_of(st.sampled_from(["a.b.v1", "c.d.v1"])), max_size=30), st.integers(1, 7))
def test_messages_have_one_key_few_events_and_all_of_them_in_order(
    events: list[TransportedEvent], at_most: int
) -> None:
    divided = message_format.divide(events, at_most)

    for message in divided:
        assert 1 <= len(message) <= at_most
        assert len({event.routing_key for event in message}) == 1
    for key in ("a.b.v1", "c.d.v1"):
        arrived = [event for message in divided for event in message if event.routing_key == key]
        assert arrived == [event for event in events if event.routing_key == key]


def test_large_events_do_not_share_a_message() -> None:
    large = TransportedEvent("tweets:1", "tweet.posted.v1", b"x" * (MAX_BYTES - 10), 0)
    small = TransportedEvent("tweets:2", "tweet.posted.v1", b"x" * 10, 0)

    assert message_format.divide([large, small, small], 50) == [[large, small], [small]]
    assert message_format.divide([large, large], 50) == [[large], [large]]


HEAD = b'{"id": "tweets:1", "occurred_at_ms": 1}'


@pytest.mark.parametrize(
    "body", [b"", b"{}", HEAD, b"{}\n{}", b"[]\n{}", HEAD + b"\n{}\n" + HEAD, b"\xff\n{}"]
)
def test_a_malformed_message_of_several_events_is_refused(body: bytes) -> None:
    event = TransportedEvent("tweets:1", "tweet.liked.v1", b"{}", 1)
    message: Any = message_format.encode([event, event])
    assert message.content_type == JSON_LINES
    message.body = body

    with pytest.raises(ValueError):
        message_format.decode(message)
