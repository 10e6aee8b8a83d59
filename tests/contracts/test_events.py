"""Contract tests of events: producers and consumers are tested against the same golden samples.

So they agree on the format, although no service imports another.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from chassis.messaging.events import Event
from chassis.messaging.subscriptions import Subscription
from devstack.repository import SERVICES
from operate.stored_events import has_handlers

CONSUMERS = [service for service in SERVICES if has_handlers(service)]
SAMPLES = {
    path.name.removesuffix(".json"): path.read_text()
    for path in Path(__file__).with_name("samples").glob("*.json")
}
GATEWAY_CONSUMES = {"key.revoked.v1", "user.deactivated.v1"}


def _subscriptions() -> list[Subscription]:
    found: list[Subscription] = []
    for service in CONSUMERS:
        found += importlib.import_module(f"services.{service}.handlers").subscriptions
    return found


def _produced() -> list[type[Event]]:
    """The event classes that a service produces: those that it does not subscribe to itself."""
    consumed = {subscription.event for subscription in _subscriptions()}
    return [
        declared
        for service in SERVICES
        for declared in vars(importlib.import_module(f"services.{service}.events")).values()
        if isinstance(declared, type)
        and issubclass(declared, Event)
        and declared is not Event
        and declared not in consumed
    ]


@pytest.mark.parametrize("event", _produced(), ids=lambda event: event.routing_key)
def test_a_producer_writes_exactly_its_sample(event: type[Event]) -> None:
    sample = SAMPLES[event.routing_key]

    written = json.loads(event.model_validate_json(sample).model_dump_json())

    assert written == json.loads(sample)


@pytest.mark.parametrize("subscription", _subscriptions(), ids=lambda found: found.queue)
def test_a_consumer_reads_the_sample_and_ignores_what_is_new(subscription: Subscription) -> None:
    sample = json.loads(SAMPLES[subscription.event.routing_key])

    read = subscription.event.model_validate_json(json.dumps({**sample, "new_field": 1}))

    assert _is_part(read.model_dump(mode="json", exclude_none=True), sample)


def _is_part(part: Any, whole: Any) -> bool:
    """Whether `part` lacks fields at most: at the top, or in objects within."""
    if isinstance(part, dict):
        return all(name in whole and _is_part(part[name], whole[name]) for name in part)
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(_is_part, part, whole))
    return bool(part == whole)


def test_each_event_has_one_producer_and_at_least_one_consumer() -> None:
    produced = [event.routing_key for event in _produced()]
    consumed = {found.event.routing_key for found in _subscriptions()} | GATEWAY_CONSUMES

    assert sorted(produced) == sorted(SAMPLES)
    assert consumed == set(SAMPLES)


@pytest.mark.parametrize("service", CONSUMERS)
def test_a_consumer_knows_who_tells_it_something(service: str) -> None:
    found = importlib.import_module(f"services.{service}.handlers").subscriptions
    routing_keys = {subscription.event.routing_key for subscription in found}

    producers = {
        event.__module__.split(".")[1] for event in _produced() if event.routing_key in routing_keys
    }
    assert set(found.sources) == producers
