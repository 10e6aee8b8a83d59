"""The tables of the schema `users`."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    and_,
    func,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, col

from chassis.auth.identity import KeyScope
from chassis.messaging import inbox, outbox
from chassis.privacy import erasure


class Table(SQLModel, registry=registry()):
    """The base of this schema's tables: their metadata is separate from the other services'."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)
outbox.define(metadata)


def _now() -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=False, server_default=text("now()"))


class Role(StrEnum):
    """What a person may do for others, besides what administrators may do."""

    moderator = "moderator"
    """Hide tweets, and decide on reports."""
    announcer = "announcer"
    """Post announcements."""


class Person(Table, table=True):
    __table_args__ = (
        Index(
            "person_folded",
            "folded",
            postgresql_using="gin",
            postgresql_ops={"folded": "gin_trgm_ops"},
        ),
        Index(
            "person_popular",
            text("follower_count desc"),
            text("id desc"),
            postgresql_where=text("deactivated_at is null"),
        ),
        Index("person_external_id", "external_id", unique=True),
    )

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    name: str
    folded: str
    """The name in the form in which it is searched for: see `names.search_form`."""
    name_version: int | None = Field(default=None, sa_type=BigInteger)
    """The id of the event that announced the name. Null for a name older than this column."""
    about: str | None = None
    """What the person says about themselves."""
    title: str | None = None
    department: str | None = None
    external_id: str | None = None
    """The person's id in the company's staff register or identity provider."""
    picture: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    """The copy of the picture's paths from media: see `events.PicturePaths`."""
    picture_version: int | None = Field(default=None, sa_type=BigInteger)
    """The id of media's event with the picture, or with its deletion."""
    administrator: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    moderator: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    announcer: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    follower_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    following_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    created_at: datetime = Field(default=None, sa_column=_now())
    deactivated_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    erased_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """The row of an erased person stays, with the id but without the name."""

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that the person has. An administrator has the rights of all of them."""
        return frozenset(role for role in Role if getattr(self, role))

    def roles_within(self, scope: KeyScope) -> frozenset[Role]:
        """The roles that a credential with this scope may use."""
        return self.roles if scope.covers(KeyScope.account) else frozenset()


class ApiKey(Table, table=True):
    """A key. It expires, or is revoked, and its row stays. Only the hash of the key is stored."""

    __tablename__ = "api_key"
    __table_args__ = (Index("api_key_id", "id", unique=True),)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False)
    )
    user_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), nullable=False, index=True)
    )
    created_at: datetime = Field(default=None, sa_column=_now())
    revoked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    name: str = Field(default="", sa_column_kwargs={"server_default": ""})
    scope: KeyScope = Field(
        default=KeyScope.admin, sa_column=Column(Text, nullable=False, server_default="admin")
    )
    hint: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """The first characters of the key. Empty for a key that an operator chose."""
    expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    used_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When the key was last used, accurate to an hour."""

    @staticmethod
    def is_active() -> ColumnElement[bool]:
        """A condition: the key was not revoked and has not expired."""
        end = col(ApiKey.expires_at)
        return and_(col(ApiKey.revoked_at).is_(None), or_(end.is_(None), end > func.now()))

    def scope_for(self, person: Person) -> KeyScope:
        """What the key allows now: `admin` becomes `account` if the person is no administrator."""
        if self.scope == KeyScope.admin and not person.administrator:
            return KeyScope.account
        return KeyScope(self.scope)


class LinkedIdentity(Table, table=True):
    """A person's account at an identity provider.

    The issuer and the subject together are its identity: a subject alone may exist at two
    providers, and an e-mail address may change its owner. Both are compared exactly.
    """

    __tablename__ = "identity"
    __table_args__ = (
        Index("identity_issuer_subject", "issuer", "subject", unique=True),
        Index("identity_user_id_issuer", "user_id", "issuer", unique=True),
    )

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    user_id: int = Field(sa_column=Column(BigInteger, ForeignKey("person.id"), nullable=False))
    issuer: str
    subject: str
    created_at: datetime = Field(default=None, sa_column=_now())
    signed_on_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When the person last signed in with it. Null: never, an administrator has linked it."""


class SignOnFlow(Table, table=True):
    """A sign-on in progress: what the provider's answer must match. The answer deletes it."""

    __tablename__ = "sign_on_flow"

    state_digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    browser_digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """SHA-256 of the cookie that binds the flow to the browser that began it."""
    provider: str
    nonce: str
    code_verifier: str
    """The secret of PKCE (RFC 7636)."""
    redirect_uri: str
    next: str
    """The path at which the page opens afterwards."""
    link_user_id: int | None = Field(
        default=None, sa_column=Column(BigInteger, ForeignKey("person.id", ondelete="CASCADE"))
    )
    """The signed-in person who links the account. None: it tells who the person is."""
    previous_session: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    """The digest of the session that the browser had."""
    expires_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, index=True)
    )


class LogoutToken(Table, table=True):
    """A logout that a provider reported. It is kept so that the report is accepted once, and so
    that it also ends a sign-on of the same session that is still in progress."""

    __tablename__ = "logout_token"
    __table_args__ = (Index("logout_token_issuer_session", "issuer", "provider_session_id"),)

    issuer: str = Field(primary_key=True)
    jti: str = Field(primary_key=True)
    subject: str | None = None
    provider_session_id: str | None = None
    issued_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    received_at: datetime = Field(
        default=None,
        sa_column=Column(
            DateTime(timezone=True), nullable=False, server_default=text("now()"), index=True
        ),
    )


class UserSession(Table, table=True):
    """A browser that is signed in. An ended session's row stays until it would have expired."""

    __tablename__ = "user_session"
    __table_args__ = (Index("user_session_id", "id", unique=True),)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    """SHA-256 of the token in the cookie."""
    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False)
    )
    user_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), nullable=False, index=True)
    )
    key_digest: bytes | None = Field(
        default=None,
        sa_column=Column(LargeBinary, ForeignKey("api_key.digest", ondelete="CASCADE"), index=True),
    )
    """The key that started the session: the session has the scope of the key and ends with it. Null
    if an account at an identity provider started it; then it allows all that the person may do."""
    identity_id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger, ForeignKey("identity.id", ondelete="SET NULL"), index=True),
    )
    """The account that started the session."""
    provider_session_id: str | None = None
    """The provider's name for its own session (`sid`), by which it reports that it has ended."""
    idle_seconds: int | None = None
    """How long the session may be unused. Null: as long as it lasts."""
    client: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """The browser's User-Agent header, shortened."""
    created_at: datetime = Field(default=None, sa_column=_now())
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    used_at: datetime = Field(default=None, sa_column=_now())
    """When the session was last used, accurate to a few minutes."""
    ended_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))

    @staticmethod
    def is_active() -> ColumnElement[bool]:
        """A condition: the session has not ended, expired, or been unused for too long. It says
        nothing about the key."""
        unused = func.now() - col(UserSession.used_at)
        return and_(
            col(UserSession.ended_at).is_(None),
            col(UserSession.expires_at) > func.now(),
            or_(
                col(UserSession.idle_seconds).is_(None),
                unused < func.make_interval(0, 0, 0, 0, 0, 0, col(UserSession.idle_seconds)),
            ),
        )

    @staticmethod
    def has_active_key() -> ColumnElement[bool]:
        """A condition about a session and its key, outer-joined: the key is active, or none was
        needed."""
        return or_(col(UserSession.key_digest).is_(None), ApiKey.is_active())

    def scope_for(self, person: Person, key: ApiKey | None) -> KeyScope:
        """What the session allows now. `key` is the key that started it, if any."""
        if key is not None:
            return key.scope_for(person)
        return KeyScope.admin if person.administrator else KeyScope.account

    def ends_at(self) -> datetime:
        """When the session ends if nobody uses it any more."""
        if self.idle_seconds is None:
            return self.expires_at
        return min(self.expires_at, self.used_at + timedelta(seconds=self.idle_seconds))


class Invitation(Table, table=True):
    """A link that gives a person a key, once. Only the hash of its secret is stored."""

    __table_args__ = (Index("invitation_id", "id", unique=True),)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False)
    )
    user_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), nullable=False, index=True)
    )
    created_at: datetime = Field(default=None, sa_column=_now())
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    key_expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When the key that the invitation gives will expire. Null: never."""
    used_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))

    @staticmethod
    def is_active() -> ColumnElement[bool]:
        """A condition: the invitation was neither used nor revoked, and has not expired."""
        return and_(
            col(Invitation.used_at).is_(None),
            col(Invitation.revoked_at).is_(None),
            col(Invitation.expires_at) > func.now(),
        )


class Follow(Table, table=True):
    """One person follows another. After an unfollow the row stays, inactive, with the version of
    the event that ended it."""

    __table_args__ = (
        Index(
            "follow_followers", "followed_id", text("version desc"), postgresql_where=text("active")
        ),
        Index(
            "follow_following", "follower_id", text("version desc"), postgresql_where=text("active")
        ),
        Index("follow_ended", "followed_id", postgresql_where=text("not active")),
    )

    follower_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), primary_key=True)
    )
    followed_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), primary_key=True)
    )
    active: bool
    version: int = Field(sa_type=BigInteger)


class AuditEntry(Table, table=True):
    """An action of an administrator. The database refuses to change or remove it: see `audit`."""

    __tablename__ = "act"
    __table_args__ = (
        Index("act_by_subject", "subject_id", "id"),
        Index("act_by_actor", "actor_id", "id"),
    )

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    at: datetime = Field(default=None, sa_column=_now())
    actor_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """None for the operator's console."""
    action: str = Field(sa_column=Column("deed", Text, nullable=False))
    subject_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    object_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The tweet or the report that the action was about. Null for an action about the person."""
    role: str | None = Field(default=None, sa_column=Column(Text))
    """The role that was given or taken away."""
    request_id: str | None = Field(default=None, sa_column=Column(Text))
