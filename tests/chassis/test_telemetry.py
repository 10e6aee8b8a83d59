"""What a process writes of itself: for machines, for people, as much as is wanted, nobody's key."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.settings import ProcessSettings

PROCESS = """
import asyncio
from contextlib import asynccontextmanager
from typing import ClassVar

import structlog

from chassis import app, testing
from chassis.settings import ProcessSettings


class Settings(ProcessSettings):
    service: ClassVar[str] = "probe"


@asynccontextmanager
async def live(_):
    yield


application = app.frame(Settings(), "api", live, {})


@application.post("/broken/{id}")
async def broken(id: int) -> None:
    held = "pri" + "vate"
    try:
        raise ValueError("in the handler", len(held))
    except ValueError as error:
        structlog.get_logger().error("it.broke", exc_info=error)


async def main() -> None:
    async with testing.serving(application) as client:
        await client.get("/health/live")
        await client.post(
            "/broken/3?query=private",
            json={"text": "private"},
            headers={
                "api-key": "private", "cookie": "session=private", "x-request-id": "request-one"
            },
        )
        for path in ("/uploads/private.png", "//uploads/private/", "/Uploads%2Fprivate%0aprivate"):
            await client.get(f"http://service{path}")

asyncio.run(main())
"""


def _run(stderr: int, **settings: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **settings}
    subprocess.run([sys.executable, "-c", PROCESS], env=environment, stderr=stderr, check=True)


def _written(path: Path, **settings: str) -> list[str]:
    with path.open("w") as log:
        _run(log.fileno(), **settings)
    return path.read_text().splitlines()


def test_away_from_a_terminal_each_line_is_json_and_each_request_has_one(tmp_path: Path) -> None:
    lines = _written(tmp_path / "log")

    broke, request, *uploads = map(json.loads, lines)
    assert (broke["event"], broke["level"]) == ("it.broke", "error")
    assert "in the handler" in broke["exception"]
    assert request["event"] == "request"
    assert (request["method"], request["path"], request["status"]) == ("POST", "/broken/3", 200)
    assert [line["path"] for line in uploads] == ["/uploads/…", "//uploads/…", "/uploads/…"]
    for line in (broke, request):
        assert (line["service"], line["role"]) == ("probe", "api")
        assert line["request_id"] == "request-one"
    assert "private" not in "".join(lines)


def test_in_a_terminal_a_person_can_read_it() -> None:
    ours, theirs = pty.openpty()
    try:
        _run(theirs)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)

    assert "it.broke" in shown
    assert "request-one" in shown
    assert "{" not in shown
    assert "private" not in shown


def test_only_what_is_of_the_wanted_level_is_written(tmp_path: Path) -> None:
    lines = _written(tmp_path / "log", LOG_LEVEL="error")

    assert [json.loads(line)["event"] for line in lines] == ["it.broke"]


def test_a_wrong_setting_is_named_and_no_secret_beside_it_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("BROKER_URL", "amqp://warble:private@broker/")

    with pytest.raises(ValueError, match="LOG_LEVEL") as refused:
        ProcessSettings()

    assert "private" not in str(refused.value)
