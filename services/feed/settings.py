"""What an operator may change about the feed."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="FEED_")
    service: ClassVar[str] = "feed"

    whole: int = Field(1_000, ge=1, le=10_000)
    """The most tweets in a feed that is asked for without paging, or by page number."""
    page_bytes: int = Field(128 * 1024 * 1024, ge=0)
    """Memory of each api process for pages that were read lately."""
    own_writes_seconds: float = Field(1.0, ge=0, le=5)
    """How long a read waits for the reader's own writes to arrive."""
