"""Creates the tables of sign-on; a session may be started without a key."""

from chassis.database.migrations import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_script("""
        create table identity (
            id bigint generated always as identity primary key,
            user_id bigint not null references person,
            issuer varchar not null,
            subject varchar not null,
            created_at timestamptz not null default now(),
            signed_on_at timestamptz
        );
        create unique index identity_issuer_subject on identity (issuer, subject);
        create unique index identity_user_id_issuer on identity (user_id, issuer);

        create table sign_on_flow (
            state_digest bytea primary key,
            browser_digest bytea not null,
            provider varchar not null,
            nonce varchar not null,
            code_verifier varchar not null,
            redirect_uri varchar not null,
            next varchar not null,
            link_user_id bigint references person on delete cascade,
            previous_session bytea,
            expires_at timestamptz not null
        );
        create index ix_sign_on_flow_expires_at on sign_on_flow (expires_at);

        create table logout_token (
            issuer varchar not null,
            jti varchar not null,
            subject varchar,
            provider_session_id varchar,
            issued_at timestamptz not null,
            received_at timestamptz not null default now(),
            primary key (issuer, jti)
        );
        create index logout_token_issuer_session on logout_token (issuer, provider_session_id);
        create index ix_logout_token_received_at on logout_token (received_at);

        alter table user_session
            alter column key_digest drop not null,
            add column identity_id bigint references identity on delete set null,
            add column provider_session_id varchar,
            add column idle_seconds integer;
        create index ix_user_session_identity_id on user_session (identity_id);
    """)
