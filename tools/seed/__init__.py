"""Example data and imports, sent through the public API."""
