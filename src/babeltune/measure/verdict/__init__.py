"""The verdict of a study: how many tuning languages are necessary, how many sufficient."""
