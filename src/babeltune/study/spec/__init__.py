"""The spec: what a study file may say, as frozen models, and how the file is read."""
