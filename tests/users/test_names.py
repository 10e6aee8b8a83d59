"""The stored form of names: invisible characters cannot make a copy of somebody's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.users import names
from services.users.errors import NameNotAccepted

UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u2060\u2800\u3164\ufe0f\ufeff\uffa0\U000e0101\x07\x9f"
)


def flag(region: str) -> str:
    """An emoji tag sequence (UTS 51): a black flag, the region in tag letters, a cancel tag."""
    tags = "".join(chr(0xE0000 + ord(letter)) for letter in region)
    return f"\N{WAVING BLACK FLAG}{tags}\U000e007f"


KEPT = [
    "علی\u200cرضا",
    "ක්\u200dෂ",
    "नर\u094d\u200dमदा",
    "Ann 👩🏽\u200d💻",
    "Ann ❤\ufe0f\u200d🔥",
    "Ann ☕\ufe0f",
    "Ann 👨\u200d👩\u200d👧\u200d👦",
    "Ann 🏳\ufe0f\u200d🌈",
    "Ann 1\ufe0f\u20e3",
    f"Ann {flag('gbsct')}",
    f"{flag('gbeng')}{flag('gbwls')}",
    "مهدی\u200cزاده",
    "മോഹന\u0d4d\u200d",
    "র\u200d\u09cdযাব",
    "ශ\u0dca\u200dරී",
    "O’Neil-Мюллер (QA)",
    "Nguyễn Văn Ái",
    "יִשְׂרָאֵל",
    "山田 太郎",
]


@pytest.mark.parametrize("name", KEPT)
def test_an_ordinary_name_is_stored_unchanged(name: str) -> None:
    assert names.clean(name, 100) == name


@given(
    st.sampled_from(["Ann Kim", "Анна Ким", "Άννα", "山田 太郎", "עַנָּה", "دارا", "7 Ann"]),
    st.lists(
        st.tuples(st.integers(0, 20), st.text(st.sampled_from(UNSEEN), max_size=4)), max_size=5
    ),
)
def test_invisible_characters_do_not_make_a_different_name(
    name: str, added: list[tuple[int, str]]
) -> None:
    disguised = name
    for at, unseen in added:
        disguised = disguised[:at] + unseen + disguised[at:]

    assert names.clean(disguised, 100) == names.clean(name, 100)


@pytest.mark.parametrize(
    ("disguised", "name"),
    [
        ("👩\u200dAnn", "👩Ann"),
        ("👩\u200d Ann", "👩 Ann"),
        ("Ann\u200d👩", "Ann👩"),
        ("☕\ufe0f\ufe0f", "☕\ufe0f"),
        ("دارا\u200cیی", "دارایی"),
        ("Ann\u200c Kim", "Ann Kim"),
        ("علی\u200c", "علی"),
        ("\x1b[1mAnn\x1b[0m\r\nKim", "Ann Kim"),
    ],
)
def test_a_joiner_that_changes_nothing_is_removed(disguised: str, name: str) -> None:
    assert names.clean(disguised, 100) == name


@pytest.mark.parametrize(
    "tags",
    [
        flag("gbsct")[1:],
        flag("gbsct")[:-1],
        flag("usca"),
        flag(""),
        flag("gbsct") + "\U000e0067",
        "\U000e0041",
    ],
)
def test_tag_characters_outside_a_known_flag_are_refused(tags: str) -> None:
    with pytest.raises(NameNotAccepted):
        names.clean(f"Ann {tags}", 100)


@pytest.mark.parametrize(
    "name",
    [
        *UNSEEN,
        UNSEEN,
        "Ann\0",
        "Ann\u202e",
        "\u2066Ann\u2069",
        "A" + "\u0301\u0489" * 3,
        "Ann\ufffe",
    ],
)
def test_a_name_that_is_invisible_or_covers_its_surroundings_is_refused(name: str) -> None:
    with pytest.raises(NameNotAccepted):
        names.clean(name, 100)


@given(st.text(st.characters(), max_size=20))
def test_cleaning_a_name_twice_changes_nothing_more(text: str) -> None:
    try:
        name = names.clean(text, 100)
    except NameNotAccepted:
        return
    assert names.clean(name, 100) == name
