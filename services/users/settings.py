"""What an operator may change about users."""

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="USERS_")
    service: ClassVar[str] = "users"

    admin_key: SecretStr | None = None
    """The key of the first administrator, whom the first start of an empty installation makes. It
    has no effect later."""
    session_days: float = Field(30, gt=0, le=366)
    """How long a session lasts at most. It also ends with the key that began it."""
    name_length: int = Field(100, ge=1, le=1000)
    """The longest name, in characters."""
