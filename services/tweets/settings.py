"""What an operator may change about tweets."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TWEETS_")
    service: ClassVar[str] = "tweets"

    length: int = Field(280, ge=1, le=10_000)
    """The longest tweet, in characters as a person counts them (grapheme clusters)."""
    images: int = Field(4, ge=0, le=100)
    """The most pictures on a tweet."""
    media_urls: str = "http://127.0.0.1:8030"
    """Where media answers, for a picture whose event is still on its way: comma-separated."""

    @property
    def media_replicas(self) -> list[str]:
        return [url.strip().rstrip("/") for url in self.media_urls.split(",") if url.strip()]
