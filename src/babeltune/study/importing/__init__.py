"""Importing: what others ran -- the authors' released files, logs of other tools -- as a folder that is scored and drawn as a study is."""
