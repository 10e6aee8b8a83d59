"""The settings of the feed."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="FEED_")
    service: ClassVar[str] = "feed"

    max_tweets: int = Field(1_000, ge=1, le=10_000)
    """The maximum number of tweets in a feed that is requested without paging, or in all pages by
    number together."""
    cache_bytes: int = Field(128 * 1024 * 1024, ge=0)
    """The size of the page cache in the memory of each api process, in bytes."""
    own_writes_timeout_seconds: float = Field(1.0, ge=0, le=5)
    """How long a read waits for the reader's own writes to arrive. After that the response is
    marked as stale."""
