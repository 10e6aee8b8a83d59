"""The settings of users."""

import json
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.settings import ProducerSettings

EVERYBODY = "*"
"""As an admitting group: everybody whom the provider lets in."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_safe_url(url: str) -> bool:
    """Whether it is an HTTPS address, or one on this machine, which demonstrations use."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or is_local)


def _issuer(url: str) -> str:
    if not is_safe_url(url) or urlsplit(url).query or urlsplit(url).fragment:
        raise ValueError("an issuer is an address that begins with https://")
    return url


def _scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in scopes:
        raise ValueError("the scopes must contain `openid`")
    return scopes


class SignOnProvider(BaseModel):
    """An OpenID Connect provider with whose accounts people sign in: see docs/sign-on.md."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None
    """None for a public client, which PKCE alone protects."""
    title: str = Field(min_length=1, max_length=60)
    """What the button says: "Sign in with …"."""
    scopes: Annotated[tuple[str, ...], AfterValidator(_scopes)] = ("openid", "profile")
    groups_claim: str = "groups"
    admitting_groups: frozenset[str] = frozenset()
    """Who may sign in. `*` admits everybody. Without any, only people whose account is linked."""
    administrator_groups: frozenset[str] = frozenset()
    moderator_groups: frozenset[str] = frozenset()
    announcer_groups: frozenset[str] = frozenset()
    """A role without a group is neither given nor taken away."""
    name_claim: str = "name"
    title_claim: str | None = None
    department_claim: str | None = None


ProviderName = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]


def _decode(value: object) -> object:
    """Parses the setting. An empty one, as Compose passes it, means no provider."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else {}
    except ValueError as error:
        raise ValueError(f"this is not valid JSON: {error}") from None


class Settings(ProducerSettings):
    model_config = SettingsConfigDict(env_prefix="USERS_")
    service: ClassVar[str] = "users"

    admin_key: SecretStr | None = None
    """The key of the first administrator. The first start creates this administrator if nobody is
    registered yet. Later the setting has no effect."""
    cache_bytes: int = Field(16 * 1024 * 1024, ge=0)
    """The size of the cache of profiles and searches in each api process, in bytes."""
    session_days: float = Field(30, gt=0, le=366)
    """How many days a session lasts at most. It ends earlier if its key ends earlier."""
    invitation_days: float = Field(7, gt=0, le=366)
    """How many days an invitation can be accepted. It expires earlier if the key of the
    administrator who made it expires earlier."""
    sign_on: Annotated[dict[ProviderName, SignOnProvider], NoDecode, BeforeValidator(_decode)] = (
        Field(default={})
    )
    """The OpenID Connect providers with whose accounts people sign in, as JSON: docs/sign-on.md."""
    sign_on_hours: float = Field(12, gt=0, le=24 * 31)
    """How many hours a session lasts at most that was started by sign-on."""
    sign_on_idle_hours: float = Field(1, gt=0, le=24 * 31)
    """After how many unused hours such a session ends. An open page counts as use."""
    key_sign_in: Literal["offered", "hidden"] = "offered"
    """Whether the page offers to sign in with a key beside the providers of `USERS_SIGN_ON`. A key
    keeps working either way."""
    max_name_length: int = Field(100, ge=1, le=1000)
    """The maximum length of a name, in characters."""
    positions: Literal["everyone", "administrators"] = "everyone"
    """Who may change a person's title and department: the person and administrators (`everyone`),
    or only administrators, for example because they come from a staff register."""
    renaming: Literal["everyone", "administrators"] = "everyone"
    """Who may change a person's name: the person and administrators (`everyone`), or only
    administrators, for example because names come from a staff register."""
