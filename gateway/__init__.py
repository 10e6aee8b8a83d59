"""The gateway: authentication, rate limits, the public API, and the way to the services."""
