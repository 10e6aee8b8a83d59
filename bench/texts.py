"""Texts as people write them: few words often, most words seldom, in Russian and in English.

The frequency of a word is inversely proportional to its rank (Zipf's law), as in every natural
language. The words themselves are made up from syllables, so that no list of words is needed.
Seventy per cent of the texts are Russian, twenty-five English, and the rest mix both.
"""

import asyncpg

from .data import FIRST, LAST

VOCABULARY = 50_000
"""Words of each language."""
WORDS = 14
"""Words of one text."""

_SYLLABLES = {
    "ru": "при вет за вод ра бо та го род ле то мо сто пе ре дом ка ли на сви зна ко вар дел пол",
    "en": "re lea se pro ject of fi ce mar ket sta tion com pan ver sus tor gan del bro plat form",
}
_EMPTY = f"""
delete from feed.tweet_words where tweet_id between {FIRST} and {LAST};
create table if not exists public.bench_word (language text, rank int, word text);
truncate public.bench_word;
"""
_VOCABULARY = """
insert into public.bench_word
select $1, rank, string_agg(syllable, '' order by place)
from generate_series(1, $3::int) as rank
cross join lateral (
    select place, ($2::text[])[1 + (rank / power(array_length($2::text[], 1), place)::int)
        % array_length($2::text[], 1)] as syllable
    from generate_series(0, 3) as place
) as syllables
group by rank
"""
# The logarithm of a uniform number gives ranks whose frequency is inversely proportional to them.
_TEXTS = """
create temp table bench_text as
select n, (array['ru','en'])[
    1 + (n % 20 >= 14 and (n % 20 < 19 or place % 2 = 0))::int
] as language, place, exp(random() * ln($1::int))::int as rank
from generate_series($2::int, $3::int) as n, generate_series(1, $4::int) as place
"""
_CARDS = """
update feed.tweet set card = replace(card, repeat('слово and word ', 9), content)
from (
    select n, string_agg(word, ' ' order by place) as content
    from bench_text join public.bench_word using (language, rank) group by n
) as written
where id = $1::bigint + n
"""
_INDEX = """
insert into feed.tweet_words (tweet_id, words)
select id, feed.search_words(author_id, card, entities, mentioned, has_media, false)
from feed.tweet where id > $1::bigint and id <= $2::bigint
"""
BATCH = 50_000


async def write(owner: asyncpg.Connection, tweets: int) -> None:
    """Gives the tweets of `data.fill` texts of their own, and puts these into the index."""
    await owner.execute(_EMPTY)
    for language, syllables in _SYLLABLES.items():
        await owner.execute(_VOCABULARY, language, syllables.split(), VOCABULARY)
    await owner.execute("set search_path = feed, extensions")
    for first in range(1, tweets + 1, BATCH):
        last = min(first + BATCH - 1, tweets)
        await owner.execute(_TEXTS, VOCABULARY, first, last, WORDS)
        await owner.execute(_CARDS, FIRST)
        await owner.execute("drop table bench_text")
        await owner.execute(_INDEX, FIRST + first - 1, FIRST + last)
    await owner.execute("reset search_path")
    await owner.execute("vacuum analyze feed.tweet_words")
    await owner.execute("vacuum analyze feed.tweet")


async def words(owner: asyncpg.Connection, first: int, last: int, count: int) -> list[str]:
    """Words with ranks from `first` to `last`, equally many of both languages."""
    rows = await owner.fetch(
        "select word from public.bench_word where rank between $1 and $2"
        " order by (rank * 7919) % 10007, language limit $3",
        first, last, count,
    )  # fmt: skip
    return [row["word"] for row in rows]
