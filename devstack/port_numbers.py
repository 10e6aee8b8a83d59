"""Port numbers, as offsets from the first port of an instance; `Instance.port_of` adds the two.

An instance owns a block of a hundred ports. Offset 0 is the gateway's public port.
"""

MAX_REPLICAS = 5

GATEWAY_INTERNAL = 1
POSTGRES, AMQP, DISTRIBUTION, EPMD, PROMETHEUS, S3 = range(60, 66)
_FIRST_OFFSETS = {"users": 10, "tweets": 20, "media": 30, "feed": 40, "notifications": 50}
_FIRST_STREAM = 70
IDENTITY_PROVIDER = 90
"""The demonstration provider of `make demo SIGN_ON=1`."""


def api_offset(service: str, replica: int) -> int:
    """Replicas count from 1."""
    return _FIRST_OFFSETS[service] + replica - 1


def stream_offset(replica: int) -> int:
    """Replicas count from 1."""
    return _FIRST_STREAM + replica - 1


def worker_offset(service: str) -> int:
    return _FIRST_OFFSETS[service] + MAX_REPLICAS
