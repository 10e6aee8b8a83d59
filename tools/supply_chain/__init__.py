"""Checks of the supply chain: known vulnerabilities, bills of materials, and secrets in git."""
