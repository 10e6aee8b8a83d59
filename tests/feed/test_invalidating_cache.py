"""A changed tag drops the entries that have it, however often they were dropped and stored."""

import random

import pytest

from services.feed.invalidating_cache import EVERYTHING, InvalidatingCache


@pytest.fixture(params=["index built once", "index built again and again"])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> InvalidatingCache:
    if request.param != "index built once":
        monkeypatch.setattr("services.feed.invalidating_cache._MAX_UNUSED_TAGS", 0)
    cache = InvalidatingCache(20_000)
    cache.set_connected(True)
    return cache


def test_an_entry_is_never_kept_when_one_of_its_tags_has_changed(cache: InvalidatingCache) -> None:
    source = random.Random(7)
    tags_by_key: dict[int, tuple[int, ...]] = {}
    hits = 0

    for _ in range(5_000):
        key, tag = source.randrange(20), source.randrange(1, 12)
        match source.randrange(8):
            case 0:
                cache.invalidate(tag)
                tags_by_key = {one: tags for one, tags in tags_by_key.items() if tag not in tags}
            case 1 if source.randrange(50) == 0:
                cache.invalidate(EVERYTHING)
                tags_by_key.clear()
            case _:
                tags = tuple(source.sample(range(1, 12), 3))
                cache.put(key, tags, 100, tags, cache.version)
                tags_by_key[key] = tags
        kept = {one: cache.peek(one) for one in range(20) if cache.peek(one) is not None}
        assert kept.items() <= tags_by_key.items()
        hits += len(kept)

    assert hits > 10_000


def test_a_change_leaves_the_entries_without_its_tag(cache: InvalidatingCache) -> None:
    cache.put("page", "old", 100, (1, 2), cache.version)
    cache.invalidate(1)
    cache.put("page", "new", 100, (1, 3), cache.version)
    cache.put("other", "other", 100, (4,), cache.version)
    cache.invalidate(2)
    cache.put("page", "newest", 100, (1, 3), cache.version)

    cache.invalidate(2)

    assert (cache.peek("page"), cache.peek("other")) == ("newest", "other")
