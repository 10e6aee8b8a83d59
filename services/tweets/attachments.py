"""The copy of media's records in tweets.

To attach a picture to a tweet, this service must know that the picture exists, who owns it, and
whether it is attached already. It cannot ask media in the transaction that posts the tweet: a
remote call would hold the locks, and the answer could be outdated at the commit. So tweets has a
copy of each record in its table `media`. The copy adds two columns that only tweets changes:
`tweet_id`, the tweet with the picture, and `closed`, which says that no tweet may have the picture
any more. Locking the row decides between two tweets that want the same picture.

The events of media fill the copy (`handlers`). An upload that is posted at once may arrive before
its event. Then `MediaClient` fetches the record over HTTP, before the transaction begins. Both ways
insert with ON CONFLICT DO NOTHING, so the order does not matter.

A picture that is never attached goes back to media: see `handlers.on_media_expired`.
"""

from collections.abc import Sequence

import httpx
import structlog
from sqlmodel import col, select

from chassis.auth.identity import IDENTITY_HEADER
from chassis.database.session import AnySession, Database, fetch
from chassis.http.errors import ServiceUnavailable
from chassis.observability.request_context import propagation_headers

from .models import Media

_RECORD_COLUMNS = ("id", "owner_id", "path", "thumbnail", "width", "height", "colour", "alt")
_INSERT_RECORD = """
insert into media (id, owner_id, path, thumbnail, width, height, colour, alt)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing
"""

log = structlog.get_logger()


async def store_record(session: AnySession, media: Media) -> None:
    """Inserts a record unless there is one, which may be attached to a tweet already."""
    values = media.model_dump(include=set(_RECORD_COLUMNS))
    await fetch(session, _INSERT_RECORD, *(values[name] for name in _RECORD_COLUMNS))


class MediaClient:
    """Fetches records from media whose events have not arrived yet."""

    def __init__(self, client: httpx.AsyncClient, replicas: Sequence[str]) -> None:
        self._client = client
        self._replicas = replicas

    async def fetch_missing_records(
        self, database: Database, media_ids: Sequence[int], identity: str
    ) -> None:
        """Stores the records of these pictures that the copy lacks, if media has them.

        `identity` is the signed identity of the person who posts. No transaction is open during the
        HTTP request. Raises ServiceUnavailable if records are missing and media does not respond.
        """
        async with database.transaction() as session:
            stored_ids = await session.exec(select(Media.id).where(col(Media.id).in_(media_ids)))
            missing = sorted(set(media_ids) - set(stored_ids))
        if not missing:
            return
        records = await self._request_records(missing, identity)
        async with database.transaction() as session:
            for media in records:
                await store_record(session, media)

    async def _request_records(self, media_ids: Sequence[int], identity: str) -> list[Media]:
        for replica in self._replicas:
            try:
                response = await self._client.get(
                    f"{replica}/internal/media",
                    params={"ids": list(media_ids)},
                    headers={IDENTITY_HEADER: identity, **propagation_headers()},
                )
                response.raise_for_status()
            except httpx.HTTPError as error:
                log.warning("media.unavailable", replica=replica, error=repr(error))
                continue
            return [Media(**record) for record in response.json()["media"]]
        raise ServiceUnavailable
