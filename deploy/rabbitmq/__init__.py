"""The broker's accounts: one for each part, which may do what the part must, and no more.

`accounts.json` is generated from the code: see docs/generate.py.
"""
