"""`user` and `invite`: add a person through the public API, with the administrator's key."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from .instance import Instance
from .terminal import CommandFailed, say


def add(instance: Instance, name: str) -> None:
    """Prints the person's id and key. Raises CommandFailed with the API's error message."""
    created = _post(instance, "/api/users", name)
    say(f"user_id  {created['user_id']}")
    say(f"api_key  {created['api_key']}")
    say("The key cannot be shown again: give it to the person now.")


def invite(instance: Instance, name: str) -> None:
    """Prints a link with which the person gets the key. Raises CommandFailed as `add` does."""
    created = _post(instance, "/api/invitations", name)
    say(f"user_id  {created['user_id']}")
    say(f"link     {instance.gateway_url}/invitation#{created['invitation']}")
    say(f"The link works once, until {created['expires_at']}. It cannot be shown again.")


def _post(instance: Instance, path: str, name: str) -> dict[str, Any]:
    url = urlsplit(instance.gateway_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=15)
    try:
        connection.request(
            "POST",
            path,
            json.dumps({"name": name}).encode(),
            {"api-key": instance.admin_key, "content-type": "application/json"},
        )
        response = connection.getresponse()
        body: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CommandFailed(
            f"The gateway at {instance.gateway_url} does not answer. Start it with `make up`."
        ) from error
    finally:
        connection.close()
    if response.status != 201:
        raise CommandFailed(
            str(body.get("error_message", f"The gateway answered with status {response.status}."))
        )
    return body
