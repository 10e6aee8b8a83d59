"""A process whose clock is wrong uses the database's."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chassis import testing
from chassis.auth.identity import IDENTITY_HEADER, Verifier
from chassis.database import clock
from chassis.database.session import Database
from chassis.http.errors import NotSignedIn

HOUR = 3600


@pytest.mark.parametrize("off", [HOUR, -HOUR])
async def test_a_service_whose_clock_is_an_hour_off_believes_a_fresh_identity(
    database: Database, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    correct_time = time.time
    fresh = testing.identity_headers("tweets", 7)[IDENTITY_HEADER]
    monkeypatch.setattr(clock, "_offset", 0.0)
    monkeypatch.setattr("chassis.database.clock.time.time", lambda: correct_time() + off)
    verifier = Verifier(testing.PUBLIC_KEY, "tweets")
    with pytest.raises(NotSignedIn):
        verifier.verify(fresh)

    await clock.synchronize(database)

    assert verifier.verify(fresh).user_id == 7
    assert abs(clock.epoch() - correct_time()) < 30


@pytest.mark.parametrize(
    ("set_by", "aged", "due"), [(0, 60, False), (-30, 0, True), (0, 601, True)]
)
async def test_the_clocks_are_compared_again_when_one_was_set_and_every_ten_minutes(
    database: Database, monkeypatch: pytest.MonkeyPatch, set_by: int, aged: int, due: bool
) -> None:
    monkeypatch.setattr(clock, "_offset", 0.0)
    monkeypatch.setattr(clock, "_measured_at", None)
    assert clock.is_due()
    await clock.synchronize(database)

    wall_clock, monotonic = time.time(), time.monotonic()
    monkeypatch.setattr("chassis.database.clock.time.time", lambda: wall_clock + aged + set_by)
    monkeypatch.setattr("chassis.database.clock.time.monotonic", lambda: monotonic + aged)

    assert clock.is_due() is due


async def test_without_the_database_the_last_known_offset_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_offset", 60.0)
    monkeypatch.setattr(clock, "_NOW", text("select now() from nowhere"))

    await clock.synchronize(database)

    assert clock.now() - datetime.now(UTC) > timedelta(seconds=50)
