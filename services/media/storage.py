"""The S3 store: objects in, objects out. The client waits, so each call has a thread of its own."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, TypeVar

import structlog
import urllib3
from minio import Minio
from minio.error import MinioException
from prometheus_client import Counter, Histogram

from chassis.errors import ServiceUnavailable

from .settings import Settings

CHUNK_BYTES = 256 * 1024
_CONNECT_SECONDS = 2
_SILENT_SECONDS = 10
_POOL = 32

STORED = Counter("warble_media_stored_bytes_total", "Bytes written to the store.")
DURATION = Histogram("warble_media_storage_seconds", "Time of a call to the store.", ["operation"])

T = TypeVar("T")
log = structlog.get_logger()


class ObjectMissing(Exception):
    """The store has no object of this name."""


class Storage:
    """Every method raises ServiceUnavailable when the store does not answer, or answers badly."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.s3_bucket
        self._has_bucket = False
        self._client = Minio(
            settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            region=settings.s3_region,
            secure=settings.s3_secure,
            http_client=urllib3.PoolManager(
                maxsize=_POOL,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_SILENT_SECONDS),
                retries=urllib3.Retry(total=1, backoff_factor=0.1),
            ),
        )

    async def _call(self, operation: str, call: Callable[[], T]) -> T:
        started = time.perf_counter()
        try:
            return await asyncio.to_thread(call)
        except (urllib3.exceptions.HTTPError, MinioException, OSError) as error:
            # Some stores label their XML so that the client does not read it: hence the text.
            if "NoSuchKey" in str(error):
                raise ObjectMissing from error
            log.error("storage.away", operation=operation, error=repr(error))
            raise ServiceUnavailable from error
        finally:
            DURATION.labels(operation).observe(time.perf_counter() - started)

    def _make_bucket(self) -> None:
        if self._has_bucket:
            return
        try:
            self._client.make_bucket(self._bucket)
        except MinioException:
            # Made before, or by another process just now. (Not every store can be asked first.)
            if not self._client.bucket_exists(self._bucket):
                raise
        self._has_bucket = True

    async def put(self, name: str, content: bytes, content_type: str) -> None:
        def put() -> None:
            self._make_bucket()
            self._client.put_object(
                self._bucket, name, io.BytesIO(content), len(content), content_type
            )

        await self._call("put", put)
        STORED.inc(len(content))

    async def get(self, name: str, offset: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `offset` on, a chunk at a time. Raises ObjectMissing."""
        response: Any = await self._call(
            "get", lambda: self._client.get_object(self._bucket, name, offset, length)
        )
        return _chunks(response)

    async def remove(self, name: str) -> None:
        """Also done for an object that is not there."""
        try:
            await self._call("remove", lambda: self._client.remove_object(self._bucket, name))
        except ObjectMissing:
            return

    async def names_before(self, moment: datetime) -> list[str]:
        """The names of all objects that were written before this moment."""

        def names() -> list[str]:
            return [
                found.object_name or ""
                for found in self._client.list_objects(self._bucket)
                if found.last_modified and found.last_modified < moment
            ]

        return await self._call("list", names)

    async def check(self) -> None:
        def first() -> None:
            self._make_bucket()
            next(iter(self._client.list_objects(self._bucket, prefix="ready/")), None)

        await self._call("check", first)


async def _chunks(response: Any) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(response.read, CHUNK_BYTES):
            yield chunk
    finally:
        response.close()
        response.release_conn()
