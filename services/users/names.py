"""Names: which are accepted, and the form in which a search compares them."""

import unicodedata

import regex
from anyascii import anyascii

from chassis import plain_text

from .errors import NameNotAccepted

_UNSTORABLE = ("Cc", "Cs", "Co", "Cn")
_MAX_MARKS = 4
"""On one letter (UTS 39, 5.4): more of them cover the lines above and below."""

_REFUSED = regex.compile(r"[\u202a-\u202e\u2066-\u2069\U000e0020-\U000e007f]")
"""Bidirectional controls reorder the text around a name (UAX 9); tag characters hide text in it."""
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
"""The flags that are written as tags after a black flag (RGI emoji tag sequences, UTS 51)."""
_EMOJI = r"\p{Extended_Pictographic}[\ufe0e\ufe0f]?\p{Emoji_Modifier}?"
_CONTEXTUAL = regex.compile(
    rf"""
    (?P<kept>
        {_FLAG}
        | [0-9\#*]\ufe0f\u20e3
        | {_EMOJI}(?:\u200d{_EMOJI})*
        # Joiners that change how letters are drawn, by the rules A1, A2 and B of UAX 31, 2.3.1.
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
"""Joiners and emoji selectors: `kept` where they carry meaning, invisible everywhere else."""

_NOT_SEARCHED = regex.compile(
    r"['`´‘’‛′＇\u02b9-\u02bf\ua78b\ua78c\p{Default_Ignorable_Code_Point}\u2800]"
)
"""Apostrophes, also those that stand for letters in transcriptions, and invisible characters."""
_LATIN = regex.compile(r"\p{Latin}+")


def clean(name: str, limit: int) -> str:
    """The name in the form of `normalized`.

    Raises NameNotAccepted for a name without a visible character, with bidirectional controls, tag
    characters or unassigned ones, with more than four marks on a letter, or over `limit`.
    """
    name = normalized(name)
    categories = [unicodedata.category(character) for character in name]
    visible = any(category[0] in "LNPS" for category in categories)
    unstorable = any(category in _UNSTORABLE for category in categories)
    piled = "M" * (_MAX_MARKS + 1) in "".join(category[0] for category in categories)
    refused = _REFUSED.search(regex.sub(_FLAG, "", name))
    if not visible or unstorable or piled or refused or len(name) > limit:
        raise NameNotAccepted(limit=limit)
    return name


def normalized(name: str) -> str:
    """The name in NFC, with single spaces and without control and invisible characters.

    Two names that look the same shall not differ in characters that nobody sees.
    """
    name = _INVISIBLE.sub("", plain_text.clean(name))
    name = _CONTEXTUAL.sub(lambda match: match["kept"] or "", name)
    return unicodedata.normalize("NFC", " ".join(name.split()))


def fold(text: str) -> str:
    """The form in which names are searched: without case, marks and apostrophes.

    Latin letters become those of ASCII: `É`, `Ø` and `Þ` become `e`, `o` and `th`. Letters of other
    scripts lose their marks (`Ё` becomes `е`) and are not transliterated. Of accents alone nothing
    is left.
    """
    decomposed = unicodedata.normalize("NFKD", _NOT_SEARCHED.sub("", text)).casefold()
    unmarked = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    latin = _LATIN.sub(lambda match: anyascii(match[0]), unmarked)
    return " ".join(latin.split())
