"""What a name comes to: nobody takes another's by adding what is not seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.users import names
from services.users.errors import NameNotAccepted

UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u2060\u2800\u3164\ufe0f\ufeff\uffa0\U000e0041"
)
KEPT = [
    "علی\u200cرضا",
    "ක්\u200dෂ",
    "नर\u094d\u200dमदा",
    "Ann 👩🏽\u200d💻",
    "Ann ❤\ufe0f\u200d🔥",
    "Ann ☕\ufe0f",
    "O’Neil-Мюллер (QA)",
    "Nguyễn Văn Ái",
    "יִשְׂרָאֵל",
    "山田 太郎",
]


@pytest.mark.parametrize("name", KEPT)
def test_a_name_as_people_write_it_is_kept(name: str) -> None:
    assert names.clean(name, 100) == name


@given(
    st.sampled_from(["Ann Kim", "Анна Ким", "Άννα", "山田 太郎", "עַנָּה"]),
    st.lists(
        st.tuples(st.integers(0, 20), st.text(st.sampled_from(UNSEEN), max_size=4)), max_size=5
    ),
)
def test_what_nobody_sees_makes_no_other_name(name: str, added: list[tuple[int, str]]) -> None:
    disguised = name
    for at, unseen in added:
        disguised = disguised[:at] + unseen + disguised[at:]

    assert names.clean(disguised, 100) == names.clean(name, 100)


@pytest.mark.parametrize(
    "name", [*UNSEEN, UNSEEN, "Ann\u202e", "\u2066Ann\u2069", "A" + "\u0301\u0489" * 3, "Ann\ufffe"]
)
def test_what_cannot_be_seen_or_goes_beyond_its_place_is_no_name(name: str) -> None:
    with pytest.raises(NameNotAccepted):
        names.clean(name, 100)


@given(st.text(st.characters(), max_size=20))
def test_a_name_that_was_cleaned_stays_as_it_is(text: str) -> None:
    try:
        name = names.clean(text, 100)
    except NameNotAccepted:
        return
    assert names.clean(name, 100) == name
