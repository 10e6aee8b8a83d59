"""The settings of the notifications."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_")
    service: ClassVar[str] = "notifications"

    notice_retention_hours: int = Field(48, ge=1)
    """How long notices are kept. A client that was away for longer reads everything again."""

    max_streams: int = Field(6000, ge=1)
    """How many streams a stream process accepts."""
    stream_pool_size: int = Field(3, ge=2, le=50)
    """Maximum number of database connections in the pool of a stream process. It has one more, on
    which PostgreSQL notifies it."""
