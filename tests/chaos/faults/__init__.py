"""What is broken: a noun a file. Importing them enters each into the table."""

from . import (
    broker,
    clock,
    cluster,
    database,
    failpoints,
    probed,
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
    "probed",
    "processes",
    "service",
    "standby",
    "store",
]
