"""The settings of media."""

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ProducerSettings


class Settings(ProducerSettings):
    model_config = SettingsConfigDict(env_prefix="MEDIA_")
    service: ClassVar[str] = "media"

    s3_endpoint: str = "127.0.0.1:9000"
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_bucket: str = "warble"
    s3_region: str = "us-east-1"
    s3_secure: bool = False

    max_upload_bytes: int = Field(10_000_000, gt=0)
    """The maximum size of an uploaded picture, in bytes."""
    max_pixels: int = Field(50_000_000, gt=0)
    """The maximum number of pixels of a picture, the frames of an animation added up. A picture
    that does not fit into a decoder's memory is refused too, such as a WebP of more than about 35
    million pixels."""
    max_frames: int = Field(200, gt=0)
    """The maximum number of frames of an animation."""
    decoder_processes: int = Field(2, gt=0)
    """How many pictures are decoded at the same time. Each has its own process, which can use a
    whole core and up to 768 MB of memory."""
    unattached_ttl_hours: float = Field(24, gt=0)
    """After how many hours an uploaded picture is deleted if it is not attached to a tweet."""
