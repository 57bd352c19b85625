"""The doctor: what is installed, what works, what is cached; and what a study would lack on this machine."""
