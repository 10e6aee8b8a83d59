"""An error is reported with the service and the request, and with nothing private."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import httpx
import pytest

from chassis import testing
from deploy.local.instance import Instance


@pytest.fixture
def receiver() -> Iterator[tuple[str, "Queue[dict[str, Any]]"]]:
    """A Sentry server as far as one is needed: its DSN, and the reports that it got."""
    reports: Queue[dict[str, Any]] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            for line in body.decode().splitlines():
                item = json.loads(line)
                if "exception" in item:
                    reports.put(item)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://public@127.0.0.1:{server.server_port}/1", reports
        server.shutdown()
        thread.join()


async def test_a_failing_request_is_reported_without_what_is_private(
    apart: Instance,
    receiver: tuple[str, "Queue[dict[str, Any]]"],
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    """The service runs on a database without tables: each request to it fails."""
    dsn, reports = receiver
    port = unused_tcp_port_factory()
    environment = {
        **os.environ,
        **apart.service_environment("tweets"),
        "TWEETS_IDENTITY_PUBLIC_KEY": testing.PUBLIC_KEY,
        "SENTRY_DSN": dsn,
    }
    command = [sys.executable, "-m", "uvicorn", "services.tweets.main:create_app", "--factory"]
    process = subprocess.Popen(
        [*command, "--port", str(port)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            while not await _live(client):
                assert process.poll() is None
            answer = await client.post(
                "/api/tweets?private=query",
                json={"tweet_data": "private text"},
                headers={**testing.signed("tweets", 7), "x-request-id": "the-request-id"},
            )
        report = await asyncio.to_thread(reports.get, timeout=30)
    finally:
        process.terminate()
        process.wait()

    assert (answer.status_code, answer.json()["error_type"]) == (500, "InternalError")
    assert report["tags"]["service"] == "tweets"
    assert report["tags"]["request_id"] == "the-request-id"
    assert report["user"] == {"id": "7"}
    for private in ("private", testing.signed("tweets", 7)["warble-identity"]):
        assert private not in json.dumps(report)


async def _live(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/live")).is_success
    except httpx.TransportError:
        return False
