"""Profiles and searches as the API returns them: from the database, or the cache of this process.

Every page that somebody opens needs a profile, and the fields for mentions and people search while
somebody types. So both are cached, and requests with an entity tag get 304 if nothing has changed.
"""

import json

from prometheus_client import Counter

from chassis.auth.identity import Identity
from chassis.database.pool import Pool
from chassis.http.etags import TaggedJson

from . import people_lists, queries
from .models import Role
from .profile_cache import ProfileCache, ProfileKey, SearchKey
from .settings import Settings

_READS = Counter(
    "warble_users_profiles_total",
    "Profiles that were read, by where they came from.",
    ["source"],
)
_FROM_CACHE, _FROM_DATABASE = _READS.labels("cache"), _READS.labels("database")


class Profiles:
    def __init__(self, connections: Pool, cache: ProfileCache, settings: Settings) -> None:
        self._connections = connections
        self._cache = cache
        self._settings = settings

    def key(self, identity: Identity, user_id: int | None) -> ProfileKey:
        """The key of a person's profile. Without an id it is the caller's own, with their rights:
        so a page offers nothing that is refused."""
        if user_id is not None:
            return ProfileKey(user_id, identity.user_id)
        rights = {
            "administrator": identity.administrator,
            "moderator": identity.has_role(Role.moderator),
            "announcer": identity.has_role(Role.announcer),
            "may_rename": may_rename(identity, self._settings),
            "may_change_position": may_change_position(identity, self._settings),
        }
        return ProfileKey(identity.user_id, identity.user_id, json.dumps(rights))

    def cached(self, key: ProfileKey) -> TaggedJson | None:
        profile = self._cache.get(key)
        if profile is not None:
            _FROM_CACHE.inc()
        return profile

    async def read(self, key: ProfileKey) -> TaggedJson:
        """Reads the profile from the database, and caches it. Raises UserNotFound."""
        version = self._cache.version
        body = await queries.profile(self._connections, key.user_id, key.reader_id)
        if key.rights:
            # PostgreSQL built the JSON object; the rights become its last members.
            body = f"{body[:-1]},{key.rights[1:]}"
        profile = TaggedJson.of(body.encode())
        self._cache.put(key, profile, version)
        _FROM_DATABASE.inc()
        return profile

    def cached_search(self, key: SearchKey) -> TaggedJson | None:
        return self._cache.get(key)

    async def search(self, key: SearchKey) -> TaggedJson:
        """Searches in the database, and caches the page."""
        version = self._cache.version
        body = await people_lists.by_name(
            self._connections, key.query, key.reader_id, key.limit, None
        )
        found = TaggedJson.of(body)
        self._cache.put(key, found, version)
        return found


def may_rename(identity: Identity, settings: Settings) -> bool:
    """Whether the caller may change their own name."""
    return settings.renaming == "everyone" or identity.administrator


def may_change_position(identity: Identity, settings: Settings) -> bool:
    """Whether the caller may change their own title and department."""
    return settings.positions == "everyone" or identity.administrator
