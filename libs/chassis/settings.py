"""What an operator may change about any service.

The names in capitals are shared by all services; everything else carries the service's own prefix.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL


class ProcessSettings(BaseSettings):
    """Settings of any process of ours. A subclass names it and sets `env_prefix` to match."""

    # A setting that is wrong is named; its neighbours, and secrets among them, are not shown.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    service: ClassVar[str]
    """The bounded context's name: also its schema, its role and the prefix of its queues."""

    sentry_dsn: str = Field("", validation_alias=AliasChoices("SENTRY_DSN", "sentry_dsn"))
    """Where errors are reported, if anywhere."""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)
    ] = Field("INFO", validation_alias=AliasChoices("LOG_LEVEL", "log_level"))
    """The least that is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    log_format: Literal["json", "text", "auto"] = Field(
        "auto", validation_alias=AliasChoices("LOG_FORMAT", "log_format")
    )
    """`json`, `text`, or `auto`: text in a terminal, JSON everywhere else."""
    broker_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    """Where RabbitMQ answers, with the part's own account. Several nodes of a cluster with a comma
    between their hosts: one that answers is used."""


class ServiceSettings(ProcessSettings):
    """Settings of a service: beside the above, its database and whose identities it trusts."""

    db_host: str = Field("127.0.0.1", validation_alias=AliasChoices("DB_HOST", "db_host"))
    """One, or several with a comma between: the one that takes writes is used."""
    db_port: int = Field(5432, validation_alias=AliasChoices("DB_PORT", "db_port"))
    db_name: str = Field("warble", validation_alias=AliasChoices("DB_NAME", "db_name"))
    db_user: str = Field("warble", validation_alias=AliasChoices("DB_USER", "db_user"))
    db_password: SecretStr = Field(
        SecretStr(""), validation_alias=AliasChoices("DB_PASSWORD", "db_password")
    )

    identity_public_key: str = ""
    """Ed25519 public key of the gateway: 32 raw bytes in URL-safe base64. Two, with a comma between
    them, while the pair is replaced."""
    db_pool_size: int = Field(10, ge=1, le=200)
    """The most connections in each process's pool."""
    event_retention_days: int | None = Field(None, ge=1)
    """How long published events are kept. None keeps them for ever: a projection can then be
    rebuilt from nothing."""

    @property
    def db_hosts(self) -> list[str]:
        return [host.strip() for host in self.db_host.split(",")]

    @property
    def database_url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg",
            username=self.db_user,
            password=self.db_password.get_secret_value(),
            host=self.db_host,
            port=self.db_port,
            database=self.db_name,
        )
