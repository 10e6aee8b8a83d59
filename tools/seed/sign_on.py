"""`make demo SIGN_ON=1`: adds sign-on with a demonstration provider to the running system.

Users is started again with the provider in its settings. The provider runs in this process until it
is interrupted; the next `make up` takes it out of the settings again.
"""

import json
import subprocess
import sys

from devstack import port_numbers
from devstack.instance import BadSettings, Instance
from devstack.repository import run_module
from operate.terminal import say

from . import identity_provider


def _configure(instance: Instance, port: int) -> None:
    """Starts users with the provider beside those that are configured."""
    configured = json.loads(instance.settings.get("USERS_SIGN_ON") or "{}")
    providers = {**configured, "demonstration": identity_provider.settings(port)}
    run_module("devstack", "up", USERS_SIGN_ON=json.dumps(providers))


def main() -> int:
    try:
        instance = Instance.from_environment()
        port = instance.port_of(port_numbers.IDENTITY_PROVIDER)
        instance.make_folder()
        key_file = instance.root / "demonstration-provider.key"
        server = identity_provider.serve(port, instance.gateway_url, key_file)
        _configure(instance, port)
    except (BadSettings, OSError, subprocess.CalledProcessError) as error:
        say(f"✗ {error}")
        return 1
    people = "\n".join(
        f"  {user_name:8}{name}, in the groups {', '.join(groups)}"
        for user_name, (name, groups) in identity_provider.PEOPLE.items()
    )
    say(
        f"""
Open {instance.gateway_url} and choose "Sign in with {identity_provider.TITLE}".
The identity provider runs at {identity_provider.issuer(port)}. It knows two people; the
password is the name with which they sign in:

{people}

Ctrl-C stops the identity provider. Whoever has signed in stays signed in."""
    )
    try:
        server.thread.join()
    except KeyboardInterrupt:
        server.shutdown()
        say("\nThe identity provider has stopped. `make up` takes it out of the settings.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
