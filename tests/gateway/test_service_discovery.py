"""A name may stand for several replicas, and for different ones later."""

import asyncio
import socket

import pytest

from gateway.service_discovery import ReplicaSet


async def test_replicas_follow_the_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    known = ["10.0.0.1", "10.0.0.2"]

    async def resolver(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if not known:
            raise socket.gaierror("no answer")
        return [(2, 1, 6, "", (address, port)) for address in known]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver)
    replicas = ReplicaSet(["http://feed:8000"])
    seen = [replicas.all()]
    for now in (known[:], [*known, "10.0.0.3"], ["10.0.0.3"], []):
        known[:] = now
        await replicas.resolve()
        seen.append(replicas.all())

    assert seen == [
        ["http://feed:8000"],
        ["http://10.0.0.1:8000", "http://10.0.0.2:8000"],
        ["http://10.0.0.1:8000", "http://10.0.0.2:8000", "http://10.0.0.3:8000"],
        ["http://feed:8000"],
        ["http://feed:8000"],
    ]


def test_replicas_take_turns_and_one_that_is_down_comes_last() -> None:
    replicas = ReplicaSet(["http://a", "http://b", "http://c"])

    first = [replicas.candidates()[0] for _ in range(6)]
    replicas.mark_down("http://a", 60)

    assert sorted(first) == ["http://a", "http://a", "http://b", "http://b", "http://c", "http://c"]
    assert {replicas.candidates()[-1] for _ in range(6)} == {"http://a"}
