"""What an operator may change about media."""

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="MEDIA_")
    service: ClassVar[str] = "media"

    s3_endpoint: str = "127.0.0.1:9000"
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_bucket: str = "warble"
    s3_region: str = "us-east-1"
    s3_secure: bool = False

    bytes: int = Field(10_000_000, gt=0)
    """The largest file that is taken."""
    pixels: int = Field(50_000_000, gt=0)
    """The largest picture that is decoded; an animation's frames count together. A picture that
    does not fit the memory of a decoder is refused as well: a WebP of more than some 35 million."""
    frames: int = Field(200, gt=0)
    """The most frames of an animation."""
    decoders: int = Field(2, gt=0)
    """How many pictures are decoded at once, each in a process of its own that fills a core and has
    768 MB of memory at most."""
    untaken_hours: float = Field(24, gt=0)
    """How long an upload waits for a tweet."""
