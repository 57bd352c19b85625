"""How a server is asked: requests in flight or in files, faults, limits, and what comes back."""
