"""The content of `make demo`, from company.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

_CONTENT = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
TESTER: str = _CONTENT["tester"]
PEOPLE: dict[str, str] = _CONTENT["people"]
FOLLOWS: dict[str, str] = _CONTENT["follows"]


@dataclass(frozen=True)
class ExampleTweet:
    author: str
    text: str
    liked_by: str
    pictures: tuple[str, ...] = ()
    name: str = ""
    """For `reply_to`."""
    reply_to: str = ""
    """The name of the tweet to which this one replies."""

    def likers(self) -> list[str]:
        names = [*PEOPLE] if self.liked_by == "all" else self.liked_by.split()
        return [name for name in names if name != self.author]


TWEETS = [ExampleTweet(**tweet) for tweet in _CONTENT["tweets"]]
