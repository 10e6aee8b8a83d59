"""The faults, by the part that they break. Importing a module registers its faults."""

from . import (
    broker,
    clock,
    cluster,
    database,
    failpoints,
    kubernetes_probes,
    processes,
    service,
    standby,
    store,
)

__all__ = [
    "broker",
    "clock",
    "cluster",
    "database",
    "failpoints",
    "kubernetes_probes",
    "processes",
    "service",
    "standby",
    "store",
]
