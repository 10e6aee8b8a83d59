"""Settings that every process has. They are environment variables, or lines of `.env`.

A setting with an alias in capitals, such as `SENTRY_DSN`, has the same name in all services. Every
other setting has the service's prefix, such as `FEED_DB_POOL_SIZE`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL


def _upper(value: object) -> object:
    # pydantic reads the signature of a validator. For one written in C, such as `str.upper`, that
    # copies the table of all modules, which writes to 4 MB of the memory shared with supervisord.
    return value.upper() if isinstance(value, str) else value


class ProcessSettings(BaseSettings):
    """Settings of any process. A subclass sets `service`, and `env_prefix` to match."""

    # Without `hide_input_in_errors`, the error for one wrong setting would show all the others too,
    # the secrets among them.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    service: ClassVar[str]
    """The name of the service: also of its schema and its database role, and the prefix of its
    queues."""

    sentry_dsn: str = Field("", validation_alias=AliasChoices("SENTRY_DSN", "sentry_dsn"))
    """The Sentry project to which errors are reported. Empty turns reports off."""
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = (
        Field("INFO", validation_alias=AliasChoices("LOG_LEVEL", "log_level"))
    )
    """The lowest level that is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    log_format: Literal["json", "text", "auto"] = Field(
        "auto", validation_alias=AliasChoices("LOG_FORMAT", "log_format")
    )
    """`json`, `text`, or `auto`: text in a terminal, JSON everywhere else."""
    broker_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    """URL of RabbitMQ, with the account of this service. For a cluster, list the hosts of its nodes
    with commas between them: the process uses one that responds."""


class ServiceSettings(ProcessSettings):
    """Settings of a service: in addition, its database and the key that verifies identities."""

    db_host: str = Field("127.0.0.1", validation_alias=AliasChoices("DB_HOST", "db_host"))
    """Host of PostgreSQL, or several with commas between them: the process uses the primary."""
    db_port: int = Field(5432, validation_alias=AliasChoices("DB_PORT", "db_port"))
    db_name: str = Field("warble", validation_alias=AliasChoices("DB_NAME", "db_name"))
    db_user: str = Field("warble", validation_alias=AliasChoices("DB_USER", "db_user"))
    db_password: SecretStr = Field(
        SecretStr(""), validation_alias=AliasChoices("DB_PASSWORD", "db_password")
    )

    identity_public_key: str = ""
    """Ed25519 public key of the gateway: 32 raw bytes in URL-safe base64. During a key rotation,
    two keys with a comma between them."""
    db_pool_size: int = Field(10, ge=1, le=200)
    """Maximum number of database connections in the pool of each process."""
    db_connection_timeout_seconds: float = Field(3, gt=0)
    """How long a process waits for a database connection: for a new one to open, or for one that is
    in use to return to the pool."""

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


class ProducerSettings(ServiceSettings):
    """Settings of a service with an outbox."""

    event_retention_days: int | None = Field(None, ge=1)
    """Number of days for which published events are kept. Unset keeps them for ever, so that a
    projection can be rebuilt from the first event on."""
    events_per_message: int = Field(50, ge=1, le=200)
    """The most events that one message at the broker holds. 1 while workers of a version run that
    does not know messages of several events."""
