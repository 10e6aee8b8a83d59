"""Texts with the words of real Russian and English, each as often as people use it.

The words and their frequencies come from the package wordfreq, which counted them in books, news,
subtitles, encyclopedias and social networks. Seventy per cent of the texts are Russian, twenty-five
English, and the rest mix both.
"""

import random
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

import asyncpg
import wordfreq

from .data import FIRST, LAST

VOCABULARY = 100_000
"""The most frequent words of each language."""
WORDS = 14
"""Words of one text."""
BATCH = 50_000

_EMPTY = f"""
delete from feed.tweet where id > {LAST};
delete from feed.tweet_words;
"""
_TABLE = "create temp table bench_text (tweet_id bigint primary key, content text)"
_CARDS = """
update feed.tweet set card = replace(card, repeat('слово and word ', 9), content)
from bench_text where id = tweet_id
"""
_WORDS = """
insert into feed.tweet_words (tweet_id, words)
select id, feed.search_words(author_id, card, entities, mentioned, has_media, false)
from feed.tweet join bench_text on id = tweet_id
on conflict (tweet_id) do update set words = excluded.words
"""
"""The worker may have put the newest ones into the index already."""
_INDEX_DEFINITION = "select pg_get_indexdef('feed.tweet_words_words'::regclass)"


async def write(owner: asyncpg.Connection, tweets: int) -> None:
    """Gives the tweets of `data.fill` texts of their own, and puts these into the index.

    Deletes the tweets that other scenarios have made: they are newer, all have the same text, and
    would fill the window in which the search finds common words.
    """
    contents = _texts()
    await owner.execute(_EMPTY)
    # It is built at the end, because adding a million rows to it takes three times as long.
    index = await owner.fetchval(_INDEX_DEFINITION)
    await owner.execute("drop index feed.tweet_words_words")
    await owner.execute("set search_path = feed, extensions")
    await owner.execute(_TABLE)
    for first in range(1, tweets + 1, BATCH):
        numbers = range(first, min(first + BATCH, tweets + 1))
        records = [(FIRST + number, next(contents)) for number in numbers]
        await owner.copy_records_to_table("bench_text", records=records)
        await owner.execute("analyze bench_text")
        await owner.execute(_CARDS)
        await owner.execute(_WORDS)
        await owner.execute("truncate bench_text")
    await owner.execute("drop table bench_text")
    await owner.execute("reset search_path")
    await owner.execute("set maintenance_work_mem = '512MB'")
    await owner.execute(index)
    await owner.execute("vacuum analyze feed.tweet_words")
    await owner.execute("vacuum analyze feed.tweet")


def words(first: int, last: int, count: int) -> list[str]:
    """Words with ranks from `first` to `last`, equally many of both languages."""
    chosen = random.Random(first)  # noqa: S311 (not a secret)
    both = [chosen.sample([*_words(name)][first:last], count // 2) for name in ("ru", "en")]
    return [word for pair in zip(*both, strict=True) for word in pair]


@cache
def _words(language: str) -> dict[str, float]:
    """The words of a language with their frequencies, the most frequent first."""
    frequencies = wordfreq.get_frequency_dict(language)
    # wordfreq counts numbers as words, too.
    words = sorted(filter(str.isalpha, frequencies), key=frequencies.__getitem__, reverse=True)
    return {word: frequencies[word] for word in words[:VOCABULARY]}


def _texts() -> Iterator[str]:
    """Texts without end."""
    chosen = random.Random(1)  # noqa: S311 (not a secret)
    vocabulary = {language: list(_words(language)) for language in ("ru", "en")}
    limits = {language: list(accumulate(_words(language).values())) for language in vocabulary}

    def some(language: str, count: int) -> list[str]:
        return chosen.choices(vocabulary[language], cum_weights=limits[language], k=count)

    half = WORDS // 2
    while True:
        for number in range(20):
            if number < 14:
                yield " ".join(some("ru", WORDS))
            elif number < 19:
                yield " ".join(some("en", WORDS))
            else:
                yield " ".join(some("ru", half) + some("en", half))
