"""Requests in a provider's batch files: into them, and answers out of them."""
