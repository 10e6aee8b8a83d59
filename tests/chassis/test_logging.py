"""The log of a process: JSON or text, by level, and without secrets."""

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

from chassis import testing
from chassis.observability.metrics import MeasuredPool
from chassis.process import app
from chassis.settings import ProcessSettings


class Settings(ProcessSettings):
    service: ClassVar[str] = "probe"


@asynccontextmanager
async def lifespan(_):
    yield


application = app.base_app(Settings(), "api", lifespan, {})


@application.post("/broken/{id}")
async def broken(id: int) -> None:
    private = "pri" + "vate"
    try:
        raise ValueError("in the handler", len(private))
    except ValueError as error:
        structlog.get_logger().error("it.broke", exc_info=error)


async def main() -> None:
    MeasuredPool(creator=object).dispose()  # What a pool does is not worth a line.
    async with testing.client_for(application) as client:
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


def _log_lines(path: Path, **settings: str) -> list[str]:
    with path.open("w") as log:
        _run(log.fileno(), **settings)
    return path.read_text().splitlines()


def test_outside_a_terminal_logs_are_json_with_one_line_per_request(tmp_path: Path) -> None:
    lines = _log_lines(tmp_path / "log")

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


def test_in_a_terminal_logs_are_text() -> None:
    reading, writing = pty.openpty()
    try:
        _run(writing)
        shown = os.read(reading, 100_000).decode()
    finally:
        os.close(reading)
        os.close(writing)

    assert "it.broke" in shown
    assert "request-one" in shown
    assert "{" not in shown
    assert "private" not in shown


def test_lines_below_the_log_level_are_not_written(tmp_path: Path) -> None:
    lines = _log_lines(tmp_path / "log", LOG_LEVEL="error")

    assert [json.loads(line)["event"] for line in lines] == ["it.broke"]


def test_the_error_for_a_wrong_setting_names_it_and_shows_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("BROKER_URL", "amqp://warble:private@broker/")

    with pytest.raises(ValueError, match="LOG_LEVEL") as raised:
        ProcessSettings()

    assert "private" not in str(raised.value)
