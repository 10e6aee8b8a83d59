"""`user`: an operator adds a person, through the public API, with the administrator's key."""

import http.client
import json
from urllib.parse import urlsplit

from .instance import Instance
from .terminal import Refused, say


def add(instance: Instance, name: str) -> None:
    """Prints the person's id and key. Raises Refused with what the API said."""
    address = urlsplit(instance.gateway_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=15)
    try:
        connection.request(
            "POST",
            "/api/users",
            json.dumps({"name": name}).encode(),
            {"api-key": instance.admin_key, "content-type": "application/json"},
        )
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(
            f"The gateway at {instance.gateway_url} does not answer: `make up` starts it."
        ) from error
    finally:
        connection.close()
    if answer.status != 201:
        raise Refused(str(told.get("error_message", f"The gateway answered {answer.status}.")))
    say(f"user_id  {told['user_id']}")
    say(f"api_key  {told['api_key']}")
    say("The key is shown this once: hand it to the person.")
