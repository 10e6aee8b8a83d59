"""Generates names and tweets in Russian and English; the same seed gives the same texts."""

import math
import tomllib
from pathlib import Path
from random import Random

MAX_LENGTH = 280
_MEDIAN_LENGTH, _LENGTH_SIGMA = 78, 0.55

_CONTENT = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
_NAMES: dict[str, list[str]] = {kind: names.split() for kind, names in _CONTENT["names"].items()}
_LANGUAGES: list[dict[str, list[str]]] = [_CONTENT["russian"], _CONTENT["english"]]


def person_name(random: Random) -> str:
    """A given and a family name. Many people have the same one."""
    if random.random() < 0.5:
        return f"{random.choice(_NAMES['given'])} {random.choice(_NAMES['surnames'])}"
    if random.random() < 0.5:
        return f"{random.choice(_NAMES['women'])} {random.choice(_NAMES['families'])}а"
    return f"{random.choice(_NAMES['men'])} {random.choice(_NAMES['families'])}"


def tweets(random: Random, count: int) -> list[str]:
    """Different tweets of one person, mostly in one language."""
    mother_tongue = random.randrange(2)
    written: dict[str, None] = {}
    while len(written) < count:
        foreign = random.random() < 0.15
        text = _text(random, _LANGUAGES[mother_tongue ^ foreign])
        if text in written:
            text = f"{text[: MAX_LENGTH - 10].rstrip()} ({len(written) + 1})"
        written.setdefault(text)
    return list(written)


def _text(random: Random, language: dict[str, list[str]]) -> str:
    """With a log-normal length, as of real tweets: most have fewer than a hundred characters."""
    target = min(MAX_LENGTH, random.lognormvariate(math.log(_MEDIAN_LENGTH), _LENGTH_SIGMA))
    text = _sentence(random, language)
    while len(text) < target - 20:
        longer = f"{text} {_sentence(random, language)}"
        if len(longer) > MAX_LENGTH:
            break
        text = longer
    return text


def _sentence(random: Random, language: dict[str, list[str]]) -> str:
    sentence = random.choice(language["say"])
    while "{" in sentence:
        head, _, rest = sentence.partition("{")
        slot, _, end = rest.partition("}")
        sentence = head + random.choice(language[slot]) + end
    return sentence
