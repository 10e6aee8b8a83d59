"""A process whose clock is off goes by the database's."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chassis import clock, testing
from chassis.database import Database
from chassis.errors import NotSignedIn
from chassis.identity import HEADER, Verifier

HOUR = 3600


@pytest.mark.parametrize("off", [HOUR, -HOUR])
async def test_a_service_whose_clock_is_an_hour_off_believes_a_fresh_identity(
    database: Database, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    right = time.time
    fresh = testing.signed("tweets", 7)[HEADER]
    monkeypatch.setattr(clock, "_ahead", 0.0)
    monkeypatch.setattr("chassis.clock.time.time", lambda: right() + off)
    verifier = Verifier(testing.PUBLIC_KEY, "tweets")
    with pytest.raises(NotSignedIn):
        verifier.identity(fresh)

    await clock.look(database)

    assert verifier.identity(fresh).user_id == 7
    assert abs(clock.epoch() - right()) < 30


async def test_without_its_database_a_process_goes_on_with_what_it_knew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_ahead", 60.0)
    monkeypatch.setattr(clock, "_NOW", text("select now() from nowhere"))

    await clock.look(database)

    assert clock.now() - datetime.now(UTC) > timedelta(seconds=50)
