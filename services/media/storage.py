"""The S3 store: objects in, objects out. The client waits, so each call has a thread of its own."""

import asyncio
import contextlib
import io
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

import structlog
import urllib3
from minio import Minio
from minio.error import MinioException
from prometheus_client import Counter, Histogram

from chassis import traces
from chassis.errors import ServiceUnavailable

from .settings import Settings

CHUNK_BYTES = 256 * 1024
_CONNECT_SECONDS = 2
_SILENT_SECONDS = 10
_CALL_SECONDS = 12
"""For a call in all, the wait for a thread and the second try included."""
_CHECK_SECONDS = 3
_LIST_SECONDS = 300
_THREADS = 32

_NAME_BYTES = 16
"""128 random bits: who does not know a picture's name does not find it."""
_NAME = re.compile(r"[A-Za-z0-9_-]{22}\.(?:jpg|png|webp|gif)")

STORED = Counter("warble_media_stored_bytes_total", "Bytes written to the store.")
DURATION = Histogram("warble_media_storage_seconds", "Time of a call to the store.", ["operation"])

T = TypeVar("T")
log = structlog.get_logger()


class ObjectMissing(Exception):
    """The store has no object of this name."""


def new_name(extension: str) -> str:
    return f"{secrets.token_urlsafe(_NAME_BYTES)}.{extension}"


def is_name(name: str) -> bool:
    """Whether this may be a name that was given out. An operator's bucket can hold other things."""
    return _NAME.fullmatch(name) is not None


class Download:
    """An object on its way out of the store, a chunk at a time. Whoever has it closes it."""

    def __init__(self, response: Any, threads: ThreadPoolExecutor) -> None:
        self._response = response
        self._threads = threads
        self._reading: Future[bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self._reading = self._threads.submit(self._response.read, CHUNK_BYTES)
            chunk = await asyncio.wrap_future(self._reading)
            if not chunk:
                return
            yield chunk

    def close(self) -> None:
        """Ends a read that is under way, too: the store may be silent. Does not wait for it."""
        # Each of them says that there is nothing left to end.
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()
        if self._reading is None:
            _release(self._response)
        else:
            # After the read, never beside it: urllib3's two ways to end are no match for threads,
            # and one of them puts the connection back open while the other looks for it.
            self._reading.add_done_callback(lambda _: _release(self._response))


def _release(response: Any) -> None:
    response.close()
    response.release_conn()


def _abandon(opening: Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        _release(opening.result())


class Storage:
    """Every method raises ServiceUnavailable when the store does not answer, or answers badly."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.s3_bucket
        self._has_bucket = False
        # Apart from the threads that decode: a silent store takes none of those.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._client = Minio(
            settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            region=settings.s3_region,
            secure=settings.s3_secure,
            http_client=urllib3.PoolManager(
                maxsize=_THREADS,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_SILENT_SECONDS),
                retries=urllib3.Retry(total=1, backoff_factor=0.1),
            ),
        )

    async def _call(
        self,
        operation: str,
        call: Callable[[], T],
        *,
        seconds: float | None = None,
        abandon: Callable[[Future[T]], None] | None = None,
    ) -> T:
        """`abandon` takes what the thread brings when nobody waits for it any more."""
        started = time.perf_counter()
        waited = False
        working = self._threads.submit(call)
        try:
            with traces.call(f"s3 {operation}", {"warble.store.operation": operation}):
                async with asyncio.timeout(seconds or _CALL_SECONDS):
                    result = await asyncio.wrap_future(working)
            waited = True
            return result
        except (urllib3.exceptions.HTTPError, MinioException, OSError) as error:
            # Some stores label their XML so that the client does not read it: hence the text.
            if "NoSuchKey" in str(error):
                raise ObjectMissing from error
            log.error("storage.away", operation=operation, error=repr(error))
            raise ServiceUnavailable from error
        finally:
            if abandon is not None and not waited:
                working.add_done_callback(abandon)
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

    async def get(self, name: str, offset: int, length: int) -> Download:
        """`length` bytes from `offset` on. Raises ObjectMissing."""
        response = await self._call(
            "get",
            lambda: self._client.get_object(self._bucket, name, offset, length),
            abandon=_abandon,
        )
        return Download(response, self._threads)

    async def remove(self, name: str) -> None:
        """Also done for an object that is not there."""
        try:
            await self._call("remove", lambda: self._client.remove_object(self._bucket, name))
        except ObjectMissing:
            return

    async def names_before(self, moment: datetime) -> list[str]:
        """The names of all pictures that were written before this moment."""

        def names() -> list[str]:
            self._make_bucket()
            return [
                found.object_name
                for found in self._client.list_objects(self._bucket)
                if found.last_modified
                and found.last_modified < moment
                and found.object_name
                and is_name(found.object_name)
            ]

        return await self._call("list", names, seconds=_LIST_SECONDS)

    async def check(self) -> None:
        def first() -> None:
            self._make_bucket()
            next(iter(self._client.list_objects(self._bucket, prefix="ready/")), None)

        await self._call("check", first, seconds=_CHECK_SECONDS)
