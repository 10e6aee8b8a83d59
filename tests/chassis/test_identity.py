"""A pair of keys that is replaced while all runs: nobody is refused, and then the old one is."""

import base64
from itertools import pairwise

import pytest

from chassis.errors import NotSignedIn
from chassis.identity import Identity, KeyScope, Signer, Verifier
from deploy.local import keys

ANN = Identity(7, KeyScope.account)
OLD, NEW = keys.new_private_key(), keys.new_private_key()
OLD_PUBLIC, NEW_PUBLIC = keys.public_half(OLD), keys.public_half(NEW)
STEPS = [
    (OLD, OLD_PUBLIC),
    (f"{OLD},{NEW}", f"{OLD_PUBLIC},{NEW_PUBLIC}"),
    (f"{NEW},{OLD}", f"{OLD_PUBLIC},{NEW_PUBLIC}"),
    (f"{NEW},{OLD}", NEW_PUBLIC),
]
"""What gateways and services have, as docs/operations.md says."""


def test_between_two_steps_every_gateway_is_believed_by_every_service() -> None:
    for before, after in pairwise(STEPS):
        # The last step is made when identities of before the third are a minute old.
        for private_keys, _ in (before, after):
            for _, public_keys in (before, after):
                token = Signer(private_keys).token(ANN, "feed")
                assert Verifier(public_keys, "feed").identity(token) == ANN


def test_in_the_end_the_old_key_is_worth_nothing() -> None:
    token = Signer(OLD).token(ANN, "feed")

    with pytest.raises(NotSignedIn):
        Verifier(NEW_PUBLIC, "feed").identity(token)


def test_what_is_given_to_services_does_not_change_with_who_signs() -> None:
    assert keys.public_half(f"{OLD},{NEW}") == keys.public_half(f"{NEW},{OLD}")
    assert set(keys.public_half(f"{OLD},{NEW}").split(",")) == {OLD_PUBLIC, NEW_PUBLIC}


@pytest.mark.parametrize(
    "head", [b"[" * 40_000, b'{"a":' * 10_000, b'{"alg":%s}' % (b"9" * 5_000), b"\xff"]
)
def test_a_token_whose_head_is_crafted_is_nobodys(head: bytes) -> None:
    token = f"{base64.urlsafe_b64encode(head).rstrip(b'=').decode()}.e30.AA"

    with pytest.raises(NotSignedIn):
        Verifier(NEW_PUBLIC, "feed").identity(token)
