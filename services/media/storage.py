"""The S3 store.

The client library is synchronous, so every call runs in a thread of a pool for this purpose.
"""

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

from chassis.http.errors import ServiceUnavailable
from chassis.observability import tracing

from .settings import Settings

CHUNK_BYTES = 256 * 1024
_CONNECT_TIMEOUT_SECONDS = 2
_READ_TIMEOUT_SECONDS = 10
_CALL_TIMEOUT_SECONDS = 12
"""For a whole call, including the wait for a thread and one retry."""
_CHECK_TIMEOUT_SECONDS = 3
_LIST_TIMEOUT_SECONDS = 300
_THREADS = 32

_NAME_BYTES = 16
"""128 random bits. Pictures are served without a key, so nobody must be able to guess a name."""
_OBJECT_NAME = re.compile(r"[A-Za-z0-9_-]{22}\.(?:jpg|png|webp|gif)")

STORED_BYTES = Counter("warble_media_stored_bytes_total", "Bytes of objects written to the store.")
REQUEST_DURATION = Histogram(
    "warble_media_storage_request_duration_seconds",
    "Time of a request to the store, including the wait for a thread.",
    ["operation"],
)

T = TypeVar("T")
log = structlog.get_logger()


class ObjectMissing(Exception):
    """The store has no object of this name."""


def new_name(extension: str) -> str:
    """A random name for an object."""
    return f"{secrets.token_urlsafe(_NAME_BYTES)}.{extension}"


def is_object_name(name: str) -> bool:
    """Whether the name has the form of `new_name`. The bucket may hold objects of other systems."""
    return _OBJECT_NAME.fullmatch(name) is not None


class Download:
    """The content of an object, read in chunks. The user of this class calls `close`."""

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
        """Releases the connection. It interrupts a read in progress, because the store may have
        stopped sending, and does not wait for it."""
        # These errors mean that the connection is closed already.
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()
        if self._reading is None:
            _release(self._response)
        else:
            # The release must wait for the read: urllib3 is not thread-safe here. While one thread
            # closes the response, the other may put the open connection back into the pool.
            self._reading.add_done_callback(lambda _: _release(self._response))


def _release(response: Any) -> None:
    response.close()
    response.release_conn()


def _release_unused(future: Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:
        _release(future.result())


class Storage:
    """The objects in the bucket. Every method raises ServiceUnavailable if the store does not
    respond or responds with an error."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.s3_bucket
        self._has_bucket = False
        # A pool of its own: a store that does not respond must not block threads that decode.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._client = Minio(
            settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            region=settings.s3_region,
            secure=settings.s3_secure,
            http_client=urllib3.PoolManager(
                maxsize=_THREADS,
                timeout=urllib3.Timeout(
                    connect=_CONNECT_TIMEOUT_SECONDS, read=_READ_TIMEOUT_SECONDS
                ),
                retries=urllib3.Retry(total=1, backoff_factor=0.1),
            ),
        )

    async def _call(
        self,
        operation: str,
        call: Callable[[], T],
        *,
        seconds: float | None = None,
        discard: Callable[[Future[T]], None] | None = None,
    ) -> T:
        """Runs `call` in a thread. If the wait for it is cancelled or times out, `discard` gets the
        future, to clean up a result that comes later."""
        started = time.perf_counter()
        finished = False
        future = self._threads.submit(call)
        try:
            with tracing.client_span(f"s3 {operation}", {"warble.store.operation": operation}):
                async with asyncio.timeout(seconds or _CALL_TIMEOUT_SECONDS):
                    result = await asyncio.wrap_future(future)
            finished = True
            return result
        except (urllib3.exceptions.HTTPError, MinioException, OSError) as error:
            # Some stores send a content type with which the client does not parse their XML, so
            # the error has no code, and its text has to do.
            if "NoSuchKey" in str(error):
                raise ObjectMissing from error
            # Some errors name the object, and everybody who knows its name can read it.
            shown = _OBJECT_NAME.sub("…", repr(error))
            log.error("storage.unavailable", operation=operation, error=shown)
            raise ServiceUnavailable from error
        finally:
            if discard is not None and not finished:
                future.add_done_callback(discard)
            REQUEST_DURATION.labels(operation).observe(time.perf_counter() - started)

    def _ensure_bucket(self) -> None:
        if self._has_bucket:
            return
        try:
            self._client.make_bucket(self._bucket)
        except MinioException:
            # The bucket exists already, or another process has just created it. Not every store
            # can tell beforehand whether a bucket exists.
            if not self._client.bucket_exists(self._bucket):
                raise
        self._has_bucket = True

    async def put(self, name: str, content: bytes, content_type: str) -> None:
        def put() -> None:
            self._ensure_bucket()
            self._client.put_object(
                self._bucket, name, io.BytesIO(content), len(content), content_type
            )

        await self._call("put", put)
        STORED_BYTES.inc(len(content))

    async def get(self, name: str, offset: int, length: int) -> Download:
        """Opens `length` bytes of the object from `offset` on. Raises ObjectMissing."""
        response = await self._call(
            "get",
            lambda: self._client.get_object(self._bucket, name, offset, length),
            discard=_release_unused,
        )
        return Download(response, self._threads)

    async def remove(self, name: str) -> None:
        """Deletes an object. Idempotent."""
        try:
            await self._call("remove", lambda: self._client.remove_object(self._bucket, name))
        except ObjectMissing:
            return

    async def names_before(self, moment: datetime) -> list[str]:
        """The names of all pictures and thumbnails that were written before this moment."""

        def names() -> list[str]:
            self._ensure_bucket()
            return [
                item.object_name
                for item in self._client.list_objects(self._bucket)
                if item.last_modified
                and item.last_modified < moment
                and item.object_name
                and is_object_name(item.object_name)
            ]

        return await self._call("list", names, seconds=_LIST_TIMEOUT_SECONDS)

    async def check(self) -> None:
        """The readiness check: lists at most one object."""

        def first() -> None:
            self._ensure_bucket()
            next(iter(self._client.list_objects(self._bucket, prefix="ready/")), None)

        await self._call("check", first, seconds=_CHECK_TIMEOUT_SECONDS)
