"""Names: which ones are accepted, how they are stored, and how a search compares them.

A name exists in two forms. `normalized` is the stored and displayed one: NFC, single spaces, and no
invisible characters, so that two names never differ only in what people cannot see. `fold` is the
search form: different spellings of a name give the same string, so that "Muller", "Müller" and
"MÜLLER" find each other. A query is folded too, and matches folded names by substring and by
trigram similarity. The stored search form of a name, `search_form`, also contains the name in Latin
letters, and a query is also looked for in Latin letters, so that "Анна" and "Anna" find each other.
A change of these functions needs a migration that computes all stored search forms again.

Invisible characters cannot simply be removed. Zero-width joiners and variation selectors belong to
many emoji and to the spelling of Persian, Hindi and other languages. `_CONTEXTUAL` keeps them where
they have a meaning and removes them elsewhere. Bidirectional controls and tag characters can be
used to deceive, so `clean` refuses a name that contains them.
"""

import unicodedata

import regex
from anyascii import anyascii

from chassis import plain_text

from .errors import NameNotAccepted, ProfileTextNotAccepted

_REFUSED_CATEGORIES = ("Cc", "Cs", "Co", "Cn")
_MAX_MARKS = 4
"""Combining marks on one letter (UTS 39, 5.4). More of them cover the lines above and below."""

_REFUSED = regex.compile(r"[\u202a-\u202e\u2066-\u2069\U000e0020-\U000e007f]")
"""Bidirectional controls reorder the text around a name (UAX 9); tag characters hide text."""
_INVISIBLE = regex.compile(
    r"(?![\u200c\u200d\ufe0e\ufe0f\u202a-\u202e\u2066-\u2069\U000e0020-\U000e007f])"
    r"[\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb]"
)
_FLAG = r"\U0001f3f4\U000e0067\U000e0062(?:{})\U000e007f".format(
    "|".join(
        "".join(chr(0xE0000 + ord(letter)) for letter in country)
        for country in ("eng", "sct", "wls")
    )
)
"""England, Scotland, Wales: a black flag and tag characters (RGI emoji tag sequences, UTS 51)."""
_EMOJI = r"\p{Extended_Pictographic}[\ufe0e\ufe0f]?\p{Emoji_Modifier}?"
_CONTEXTUAL = regex.compile(
    rf"""
    (?P<meaningful>
        {_FLAG}
        | [0-9\#*]\ufe0f\u20e3
        | {_EMOJI}(?:\u200d{_EMOJI})*
        # Joiners that change the shape of letters, by the rules A1, A2 and B of UAX 31, 2.3.1.
        | (?<=[\p{{jt=D}}\p{{jt=L}}]\p{{jt=T}}*)\u200c(?=\p{{jt=T}}*[\p{{jt=D}}\p{{jt=R}}])
        | (?<=\p{{L}}\p{{M}}*\p{{ccc=9}}\p{{M}}*)\u200c(?=\p{{L}})
        | (?<=\p{{L}}\p{{M}}*\p{{ccc=9}}\p{{M}}*)\u200d(?!\p{{InSC=Vowel_Dependent}})
        # Bengali and Assamese: the letter ra before the sign ya-phala.
        | (?<=[\u09b0\u09f0])\u200d(?=\u09cd)
    )
    | [\u200c\u200d\ufe0e\ufe0f]
    """,
    regex.VERBOSE,
)
"""Joiners and variation selectors, with the group `meaningful` where they have a meaning."""

_IGNORED_IN_SEARCH = regex.compile(
    r"['`´‘’‛′＇\u02b9-\u02bf\ua78b\ua78c\p{Default_Ignorable_Code_Point}\u2800]"
)
"""Apostrophes, also those that transcriptions use for letters, and invisible characters."""
_LATIN = regex.compile(r"\p{Latin}+")
_LETTERS = regex.compile(r"\p{L}+")
_NO_LETTER = regex.compile(r"[^a-z]")

_ENGLISH_LAYOUT = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
_RUSSIAN_LAYOUT = "ёйцукенгшщзхъфывапролджэячсмитьбю"
_OTHER_LAYOUT = str.maketrans(_ENGLISH_LAYOUT + _RUSSIAN_LAYOUT, _RUSSIAN_LAYOUT + _ENGLISH_LAYOUT)
"""The letter that the same key gives on the other keyboard layout."""


def clean(name: str, limit: int) -> str:
    """The name in the form of `normalized`. `limit` is the maximum length, in code points.

    Raises NameNotAccepted for a name that is too long or has no visible character, that contains
    bidirectional controls, tag characters or unassigned characters, or that has more than four
    marks on a letter.
    """
    name = normalized(name)
    if not _is_acceptable(name, limit):
        raise NameNotAccepted(limit=limit)
    return name


def clean_profile_text(text: str, limit: int) -> str | None:
    """A line of a profile, in the form of `normalized`; None if it has no character.

    Raises ProfileTextNotAccepted for a text that would not be accepted as a name of this length.
    """
    text = normalized(text)
    if not text:
        return None
    if not _is_acceptable(text, limit):
        raise ProfileTextNotAccepted(limit)
    return text


def _is_acceptable(normalized_text: str, limit: int) -> bool:
    categories = [unicodedata.category(character) for character in normalized_text]
    has_visible = any(category[0] in "LNPS" for category in categories)
    has_refused_category = any(category in _REFUSED_CATEGORIES for category in categories)
    has_too_many_marks = "M" * (_MAX_MARKS + 1) in "".join(category[0] for category in categories)
    has_refused = _REFUSED.search(regex.sub(_FLAG, "", normalized_text)) is not None
    refused = has_refused_category or has_too_many_marks or has_refused
    return has_visible and not refused and len(normalized_text) <= limit


def normalized(name: str) -> str:
    """The stored form: NFC, with single spaces and without control and invisible characters."""
    name = _INVISIBLE.sub("", plain_text.clean(name))
    name = _CONTEXTUAL.sub(lambda match: match["meaningful"] or "", name)
    return unicodedata.normalize("NFC", " ".join(name.split()))


def fold(text: str) -> str:
    """The search form: without case, marks and apostrophes.

    Latin letters become ASCII letters: `É`, `Ø` and `Þ` become `e`, `o` and `th`. Letters of other
    scripts lose their marks (`Ё` becomes `е`) and are not transliterated. The result is empty for a
    text of accents only.
    """
    decomposed = unicodedata.normalize("NFKD", _IGNORED_IN_SEARCH.sub("", text)).casefold()
    unmarked = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    latin = _LATIN.sub(lambda match: anyascii(match[0]), unmarked)
    return " ".join(latin.split())


def search_form(name: str) -> str:
    """The stored search form: the folded name and, if it is another text, the name in Latin letters
    on a second line."""
    folded = fold(name)
    return "\n".join(dict.fromkeys((folded, in_latin_letters(folded))))


def in_latin_letters(folded: str) -> str:
    """A folded text with all letters transliterated: `юлия 2` becomes `yuliya 2`."""
    return _LETTERS.sub(lambda match: _NO_LETTER.sub("", anyascii(match[0]).lower()), folded)


def on_other_layout(query: str) -> str:
    """What the same keys give on the other keyboard layout: `fyyf` becomes `анна`."""
    return query.lower().translate(_OTHER_LAYOUT)


def escape_like(text: str) -> str:
    """The text as a part of a LIKE pattern that stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
