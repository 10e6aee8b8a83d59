"""The accounts at the broker: one per service, with minimal permissions.

`accounts.json` is generated from the code by tools/generate_docs.py.
"""
