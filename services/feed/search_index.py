"""The index of the search: the words of each tweet, in the table `tweet_words`.

A row is a `tsvector`. It contains the stems of all words of the text, also of the most common ones,
so that a search for nothing but such words finds something; `ё` counts as `е`. Russian and English
words are stemmed by their own rules: PostgreSQL's parser tells them apart by their letters. The row
also contains a lexeme for everything else that a search can ask for, such as `from 12`, `has image`
or `tag release`. So one index finds any combination of words and filters. No text can contain such
a lexeme, because no word has a space. The SQL function `search_words` builds the row; `search` asks
for it.

The handler of a new tweet adds its row, and deleting a tweet deletes it, in one transaction with
the tweet. Tweets that are older than the index get their rows from the job below. It also looks
through the newest tweets now and then: while an installation is upgraded, a worker of the previous
version may still insert tweets without their words.
"""

import asyncio

import structlog
from fastapi import FastAPI
from sqlalchemy import text

from chassis.database.session import Database, execute

BATCH = 1_000
"""Ids of tweets that one transaction looks through."""
PAUSE_SECONDS = 0.05
"""Between two batches, so that filling the index takes a part of the database's time only."""
CHECK_INTERVAL_SECONDS = 300
CHECKED_TWEETS = 20_000
"""How many of the newest tweets are looked through at each interval."""

# `skip locked`: another worker does the work then.
_NEXT_BATCH = text("""
select below, coalesce((
    select min(id) from (
        select id from tweet where id < below order by id desc limit :batch
    ) as batch
), 0) as first
from words_to_index for update skip locked
""")
_SET_BELOW = text("update words_to_index set below = :first")
# The lock makes a deletion at the same moment wait, so that it finds the new row.
_ADD_MISSING = text("""
with unindexed as materialized (
    select * from tweet
    where author_id is not null and not deleted and id >= :first and id < :below
      and not exists (select from tweet_words where tweet_id = tweet.id)
    order by id for update
)
insert into tweet_words (tweet_id, words)
select id, search_words(author_id, card, entities, mentioned, has_media, parent_id is not null)
from unindexed
on conflict do nothing
""")
_NEWEST = text("""
select coalesce(min(id), 0) as first, coalesce(max(id), 0) + 1 as below
from (select id from tweet order by id desc limit :batch) as newest
""")

log = structlog.get_logger()


async def fill(app: FastAPI) -> None:
    """The worker's job: adds missing words, until it is cancelled."""
    database: Database = app.state.database
    while True:
        is_filled = not await _fill_batch(database)
        if is_filled:
            await _check_newest(database)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS if is_filled else PAUSE_SECONDS)


async def _fill_batch(database: Database) -> bool:
    """Adds the words of the next older tweets. Returns false if there are none left, or if another
    worker does it."""
    async with database.transaction() as session:
        batch = (await execute(session, _NEXT_BATCH, {"batch": BATCH})).first()
        if batch is None or batch.below == 0:
            return False
        await execute(session, _ADD_MISSING, {"first": batch.first, "below": batch.below})
        await execute(session, _SET_BELOW, {"first": batch.first})
    if batch.first == 0:
        log.info("search.filled")
    return True


async def _check_newest(database: Database) -> None:
    async with database.transaction() as session:
        newest = (await execute(session, _NEWEST, {"batch": CHECKED_TWEETS})).one()
        added = await execute(session, _ADD_MISSING, {"first": newest.first, "below": newest.below})
    if added.rowcount:
        log.info("search.added_missing", tweets=added.rowcount)
