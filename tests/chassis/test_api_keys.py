"""The format of API keys, and the typing errors that are detected without a lookup."""

import string

from hypothesis import given
from hypothesis import strategies as st

from chassis.auth import api_keys

LETTERS = string.ascii_letters + string.digits + "-_"
AFTER_PREFIX = len(api_keys.PREFIX)


def test_keys_are_unique_and_well_formed() -> None:
    keys = {api_keys.generate() for _ in range(1_000)}

    assert len(keys) == 1_000
    assert len({key[: api_keys.HINT_LENGTH] for key in keys}) > 990
    assert all(key.startswith("wrb_") and len(key) == 52 for key in keys)
    assert not any(api_keys.is_mistyped(key.encode()) for key in keys)


@given(st.integers(AFTER_PREFIX, 51), st.sampled_from(LETTERS))
def test_one_wrong_character_is_noticed(place: int, letter: str) -> None:
    key = api_keys.generate()
    wrong = key[:place] + letter + key[place + 1 :]

    assert api_keys.is_mistyped(wrong.encode()) is (wrong != key)


@given(st.integers(AFTER_PREFIX, 50))
def test_two_characters_in_the_wrong_order_are_noticed(place: int) -> None:
    key = api_keys.generate()
    wrong = key[:place] + key[place + 1] + key[place] + key[place + 2 :]

    assert api_keys.is_mistyped(wrong.encode()) is (wrong != key)


def test_a_character_too_few_or_too_many_is_noticed() -> None:
    key = api_keys.generate()

    for wrong in (key[:-1], key + "A", "wrb_", key[:20], key[:20] + "é" + key[21:], key + " "):
        assert api_keys.is_mistyped(wrong.encode())


@given(st.binary(max_size=200))
def test_any_bytes_can_be_checked(key: bytes) -> None:
    assert api_keys.is_mistyped(key) in (True, False)


def test_keys_without_a_checksum_are_never_mistyped() -> None:
    for key in ("test", "wrb_" + "A" * 43, "correct horse battery staple"):
        assert not api_keys.is_mistyped(key.encode())
