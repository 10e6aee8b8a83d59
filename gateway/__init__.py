"""The edge: identity, the contract, and the way to the services."""
