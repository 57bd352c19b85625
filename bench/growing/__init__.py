"""What bench/growth.py measures, a file a subject: how its input is made, and what is run on it."""
