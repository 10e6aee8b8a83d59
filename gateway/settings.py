"""What an operator may change about the gateway."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ProcessSettings

SERVICES = ("users", "tweets", "media", "feed")


class Settings(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_")
    service: ClassVar[str] = "gateway"

    users_urls: str = "http://127.0.0.1:8010"
    """Where the replicas of users answer, comma-separated; likewise below."""
    tweets_urls: str = "http://127.0.0.1:8020"
    media_urls: str = "http://127.0.0.1:8030"
    feed_urls: str = "http://127.0.0.1:8040"
    identity_private_key: SecretStr
    """Ed25519: 32 raw bytes in URL-safe base64. No other process has it. The first of several, with
    commas between them, signs; sessions of the others go on."""
    internal_address: str = Field("127.0.0.1:8001", pattern=r".+:\d+$")
    """Where `/health/ready`, `/health/status` and `/metrics` are answered, and nothing else: for
    probes and Prometheus. The public port answers `/health/live` alone."""
    web_dir: Path | None = None
    """A built single-page app to serve in place of our own."""
    web_policy: str = (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline' https:;"
        " font-src 'self' https: data:; img-src 'self' https: data: blob:; connect-src 'self';"
        " base-uri 'self'; frame-ancestors 'none'"
    )
    """The Content-Security-Policy of the page in `web_dir`; empty sends none. Our own page's is
    not a setting."""

    key_seconds: float = Field(60, gt=0)
    """How long a key is believed without asking users, while revocations are heard of."""
    rate_limits: Literal["on", "off"] = "on"
    """`off` lifts all of the limits below but the one on guesses: for measurements and imports."""
    reads_per_minute: int = Field(1200, gt=0)
    """For each person; so are the next three."""
    writes_per_minute: int = Field(300, gt=0)
    uploads_per_minute: int = Field(60, gt=0)
    searches_per_minute: int = Field(300, gt=0)
    """Of people, by name."""
    downloads_per_minute: int = Field(30_000, gt=0)
    """Pictures, for each address: an office may be behind one."""
    sign_ins_per_minute: int = Field(300, gt=0)
    """For each address."""
    guesses_per_minute: int = Field(20, gt=0)
    """Different keys that are nobody's, for each address and for each first ten characters."""
    json_bytes: int = Field(64 * 1024, gt=0)
    upload_bytes: int = Field(10_000_000 + 64 * 1024, gt=0)
    """Of the whole form: the largest picture (`MEDIA_BYTES`), its description and their framing."""
    connect_seconds: float = Field(1, gt=0)
    answer_seconds: float = Field(10, gt=0)
    """How long a service may be silent, before its answer and within it."""
    upload_seconds: float = Field(60, gt=0)
    """The same while a picture is uploaded, which media decodes before it answers."""

    def replicas(self, service: str) -> list[str]:
        urls: str = getattr(self, f"{service}_urls")
        return [url.strip().rstrip("/") for url in urls.split(",") if url.strip()]
