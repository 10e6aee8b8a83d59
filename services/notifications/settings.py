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
