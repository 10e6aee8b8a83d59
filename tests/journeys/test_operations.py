"""What operators rely on: readiness, metrics, and one request id in all logs."""

import contextlib
import json
import secrets
from typing import Any

import httpx

from devstack import services
from devstack.instance import Instance
from tests.waiting import PATIENCE_SECONDS, eventually

from .company import Company, until


async def test_every_process_is_live_and_ready_and_measured(stack: Instance) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        for program in services.programs(stack):
            for path in ("/health/live", "/health/ready", "/health/status", "/metrics"):
                response = await http.get(f"{stack.url(program.name)}{path}")

                assert response.status_code == 200, (program.name, path, response.text)


async def test_at_its_public_address_the_gateway_tells_only_that_it_lives(stack: Instance) -> None:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=PATIENCE_SECONDS) as http:
        assert (await http.get("/health/live")).status_code == 200
        for path in ("/health/ready", "/health/status", "/metrics"):
            response = await http.get(path)

            assert (response.status_code, response.json()["error_type"]) == (404, "NotFound"), path


async def test_the_workers_measure_the_way_of_an_event(company: Company, stack: Instance) -> None:
    ann = await company.hire("Ann")
    await ann.post()
    await until(ann, lambda feed: len(feed) == 1)

    tweets = (await company.http.get(f"{stack.worker_url('tweets')}/metrics")).text
    feed = (await company.http.get(f"{stack.worker_url('feed')}/metrics")).text

    assert 'warble_events_published_total{routing_key="tweet.posted.v1"}' in tweets
    assert "warble_outbox_pending_events" in tweets
    assert "warble_outbox_oldest_age_seconds" in tweets
    assert 'warble_events_handled_total{routing_key="tweet.posted.v1"}' in feed
    assert 'warble_event_delivery_seconds_bucket{le="' in feed
    for counted in ("retried", "dead_lettered"):
        assert f"warble_events_{counted}_total" in feed


async def test_one_request_id_goes_from_the_gateway_to_the_worker_that_handles_the_event(
    company: Company, stack: Instance
) -> None:
    ann = await company.hire("Ann")
    request_id = f"journey-{secrets.token_hex(8)}"

    response = await ann.ask(
        "POST", "/api/tweets", json={"tweet_data": "traced"}, headers={"x-request-id": request_id}
    )
    await until(ann, lambda feed: len(feed) == 1)

    assert response.headers["x-request-id"] == request_id
    for programs in (("gateway",), ("tweets-api-1", "tweets-api-2"), ("feed-worker",)):
        for line in await _lines_with(request_id, stack, *programs):
            assert line["request_id"] == request_id
            assert ann.key not in json.dumps(line)
            assert "traced" not in json.dumps(line)


def logs(stack: Instance, pattern: str = "*") -> dict[str, str]:
    """The texts of log files by name. The supervisor renames and deletes files meanwhile."""
    texts = {}
    for path in sorted((stack.root / "logs").glob(pattern)):
        with contextlib.suppress(FileNotFoundError):
            texts[path.name] = path.read_text(errors="replace")
    return texts


async def _lines_with(request_id: str, stack: Instance, *programs: str) -> list[dict[str, Any]]:
    """The lines of these programs' logs with the id. Waits for them, as logs are written later."""

    async def lines() -> list[dict[str, Any]]:
        written = [
            line
            for program in programs
            for text in logs(stack, f"{program}.log*").values()
            for line in text.splitlines()
        ]
        return [json.loads(line) for line in written if request_id in line]

    return await eventually(lines)


async def test_no_key_is_in_any_log(company: Company, stack: Instance) -> None:
    ann = await company.hire("Ann")
    await ann.post()
    request_id = f"journey-{secrets.token_hex(8)}"
    await ann.ask("GET", "/api/tweets", headers={"x-request-id": request_id})
    await _lines_with(request_id, stack, "gateway")

    for log, text in logs(stack).items():
        assert ann.key not in text, log
        assert stack.admin_key not in text, log
