"""The settings of the gateway."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ProcessSettings

SERVICES = ("users", "tweets", "media", "feed", "notifications")


class Settings(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_")
    service: ClassVar[str] = "gateway"

    users_urls: str = "http://127.0.0.1:8010"
    """URLs of the replicas of users, comma-separated. A host name may stand for several replicas:
    it is resolved every five seconds."""
    tweets_urls: str = "http://127.0.0.1:8020"
    """The same for tweets."""
    media_urls: str = "http://127.0.0.1:8030"
    """The same for media."""
    feed_urls: str = "http://127.0.0.1:8040"
    """The same for feed."""
    notifications_urls: str = "http://127.0.0.1:8050"
    """The same for notifications."""
    stream_urls: str = "http://127.0.0.1:8070"
    """The same for the stream processes of notifications."""
    identity_private_key: SecretStr
    """The Ed25519 key that signs identities for the services: 32 raw bytes in URL-safe base64. No
    other process has it. Of several keys, comma-separated, the first one signs."""
    internal_address: str = Field("127.0.0.1:8001", pattern=r".+:\d+$")
    """Host and port of `/health/ready`, `/health/status` and `/metrics`, for probes and Prometheus.
    This address serves nothing else. Of the health checks, the public address serves only
    `/health/live`."""
    public_url: str = Field("", pattern=r"^(https?://[^/?#]+/?)?$")
    """Warble's address in browsers, such as `https://warble.example.com`: identity providers send
    browsers back to it. Empty: the address of each request."""
    web_dir: Path | None = None
    """The folder of a built single-page app that replaces Warble's own page."""
    web_policy: str = (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline' https:;"
        " font-src 'self' https: data:; img-src 'self' https: data: blob:; connect-src 'self';"
        " base-uri 'self'; frame-ancestors 'none'"
    )
    """The Content-Security-Policy of the page in `GATEWAY_WEB_DIR`. Empty: none is sent. The policy
    of Warble's own page cannot be changed."""

    key_cache_ttl_seconds: float = Field(60, gt=0)
    """How long the gateway uses what users answered about an api-key or a session before it asks
    again. A revoked key stops working at once, whatever this is: an event announces it. Without
    the broker an answer is used for 5 s."""
    rate_limits: Literal["on", "off"] = "on"
    """`off` switches off the limits below, except the one on key guesses. For measurements and
    imports."""
    reads_per_minute: int = Field(1200, gt=0)
    """Reads (GET and HEAD requests) per person, except searches."""
    writes_per_minute: int = Field(300, gt=0)
    """Requests that change something, per person."""
    uploads_per_minute: int = Field(60, gt=0)
    """Uploads (pictures and CSV files) per person."""
    searches_per_minute: int = Field(300, gt=0)
    """Searches for people and for tweets, per person."""
    downloads_per_minute: int = Field(30_000, gt=0)
    """Downloaded pictures per address. Downloads need no key, and a whole office may share one
    address."""
    sign_ins_per_minute: int = Field(300, gt=0)
    """Sign-ins and sign-outs per address."""
    key_guesses_per_minute: int = Field(20, gt=0)
    """Different keys that do not exist, per address and per first ten characters of the key."""
    max_json_bytes: int = Field(64 * 1024, gt=0)
    """The largest request body, except for uploads."""
    max_upload_bytes: int = Field(10_000_000 + 64 * 1024, gt=0)
    """The largest upload, counted with the whole form around the picture. Keep it above
    `MEDIA_MAX_UPLOAD_BYTES`."""
    upstream_timeout_seconds: float = Field(10, gt=0)
    """How long a service may take until its response begins, and how long it may then pause."""
    upload_timeout_seconds: float = Field(60, gt=0)
    """The same for uploads, which media decodes before it answers."""

    max_streams: int = Field(5000, gt=0)
    """How many event streams (`/api/stream`) may be open through this gateway, each with a second
    connection to a stream process. They take nothing from the limits of other requests."""

    def replicas(self, service: str) -> list[str]:
        urls: str = getattr(self, f"{service}_urls")
        return [url.strip().rstrip("/") for url in urls.split(",") if url.strip()]
