"""The copy of media's records that tweets keeps, fed by events and, for one on its way, by HTTP."""

from collections.abc import Sequence

import httpx
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database
from chassis.errors import ServiceUnavailable
from chassis.identity import HEADER
from chassis.telemetry import onward

from .models import Media

log = structlog.get_logger()


async def remember(session: AsyncSession, media: Media) -> None:
    """Keeps the record, unless it is here: the copy knows more than what comes late."""
    values = media.model_dump(exclude={"tweet_id", "closed"})
    await session.exec(insert(Media).values(**values).on_conflict_do_nothing())


class MediaService:
    """Asks media for records whose events have not come yet."""

    def __init__(self, client: httpx.AsyncClient, replicas: Sequence[str]) -> None:
        self._client = client
        self._replicas = replicas

    async def learn(self, database: Database, media_ids: Sequence[int], identity: str) -> None:
        """Has the copy know these pictures, as far as media knows them.

        `identity` is the caller's own signed identity. No transaction is open during the call.
        Raises ServiceUnavailable when the answer is needed and media is away.
        """
        async with database.transaction() as session:
            known = await session.exec(select(Media.id).where(col(Media.id).in_(media_ids)))
            missing = sorted(set(media_ids) - set(known))
        if not missing:
            return
        found = await self._ask(missing, identity)
        async with database.transaction() as session:
            for media in found:
                await remember(session, media)

    async def _ask(self, media_ids: Sequence[int], identity: str) -> list[Media]:
        for replica in self._replicas:
            try:
                answer = await self._client.get(
                    f"{replica}/internal/media",
                    params={"ids": list(media_ids)},
                    headers={HEADER: identity, **onward()},
                )
                answer.raise_for_status()
            except httpx.HTTPError as error:
                log.warning("media.no_answer", replica=replica, error=repr(error))
                continue
            return [Media(**record) for record in answer.json()["media"]]
        raise ServiceUnavailable
