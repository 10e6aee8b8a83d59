"""The settings of users."""

from typing import ClassVar, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ProducerSettings


class Settings(ProducerSettings):
    model_config = SettingsConfigDict(env_prefix="USERS_")
    service: ClassVar[str] = "users"

    admin_key: SecretStr | None = None
    """The key of the first administrator. The first start creates this administrator if nobody is
    registered yet. Later the setting has no effect."""
    session_days: float = Field(30, gt=0, le=366)
    """How many days a session lasts at most. It ends earlier if its key ends earlier."""
    invitation_days: float = Field(7, gt=0, le=366)
    """How many days an invitation can be accepted. It expires earlier if the key of the
    administrator who made it expires earlier."""
    max_name_length: int = Field(100, ge=1, le=1000)
    """The maximum length of a name, in characters."""
    positions: Literal["everyone", "administrators"] = "everyone"
    """Who may change a person's title and department: the person and administrators (`everyone`),
    or only administrators, for example because they come from a staff register."""
    renaming: Literal["everyone", "administrators"] = "everyone"
    """Who may change a person's name: the person and administrators (`everyone`), or only
    administrators, for example because names come from a staff register."""
