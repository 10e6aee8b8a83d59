"""The settings of tweets."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ProducerSettings


class Settings(ProducerSettings):
    model_config = SettingsConfigDict(env_prefix="TWEETS_")
    service: ClassVar[str] = "tweets"

    max_length: int = Field(280, ge=1, le=10_000)
    """The maximum length of a tweet, in grapheme clusters: characters as a person counts them."""
    max_images: int = Field(4, ge=0, le=100)
    """The maximum number of pictures in a tweet."""
    media_urls: str = "http://127.0.0.1:8030"
    """The base URLs of the replicas of media, comma-separated. Tweets asks media about a picture
    whose event has not arrived yet."""

    @property
    def media_replicas(self) -> list[str]:
        return [url.strip().rstrip("/") for url in self.media_urls.split(",") if url.strip()]
