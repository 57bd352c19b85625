"""ROOM 3: requests in, outputs out; knows no task and no score."""
