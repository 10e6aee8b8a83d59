"""Rotation of the gateway's key pair without an outage, and crafted tokens."""

import base64
from itertools import pairwise

import pytest

from chassis.auth.identity import Identity, KeyScope, Signer, Verifier
from chassis.http.errors import NotSignedIn
from devstack import keys

ANN = Identity(7, KeyScope.account)
OLD, NEW = keys.new_private_key(), keys.new_private_key()
OLD_PUBLIC, NEW_PUBLIC = keys.public_keys_of(OLD), keys.public_keys_of(NEW)
STEPS = [
    (OLD, OLD_PUBLIC),
    (f"{OLD},{NEW}", f"{OLD_PUBLIC},{NEW_PUBLIC}"),
    (f"{NEW},{OLD}", f"{OLD_PUBLIC},{NEW_PUBLIC}"),
    (f"{NEW},{OLD}", NEW_PUBLIC),
]
"""The private keys of the gateway and the public keys of the services in each step of a rotation,
as docs/operations.md describes it."""


def test_during_a_key_rotation_every_service_accepts_every_gateway() -> None:
    for before, after in pairwise(STEPS):
        # The last step waits until all identities from before the third step have expired.
        for private_keys, _ in (before, after):
            for _, public_keys in (before, after):
                token = Signer(private_keys).sign(ANN, "feed")
                assert Verifier(public_keys, "feed").verify(token) == ANN


def test_after_a_key_rotation_the_old_key_is_refused() -> None:
    token = Signer(OLD).sign(ANN, "feed")

    with pytest.raises(NotSignedIn):
        Verifier(NEW_PUBLIC, "feed").verify(token)


def test_the_order_of_private_keys_does_not_change_the_public_keys() -> None:
    assert keys.public_keys_of(f"{OLD},{NEW}") == keys.public_keys_of(f"{NEW},{OLD}")
    assert set(keys.public_keys_of(f"{OLD},{NEW}").split(",")) == {OLD_PUBLIC, NEW_PUBLIC}


@pytest.mark.parametrize(
    "header", [b"[" * 40_000, b'{"a":' * 10_000, b'{"alg":%s}' % (b"9" * 5_000), b"\xff"]
)
def test_a_token_with_a_crafted_header_is_refused(header: bytes) -> None:
    token = f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.e30.AA"

    with pytest.raises(NotSignedIn):
        Verifier(NEW_PUBLIC, "feed").verify(token)
