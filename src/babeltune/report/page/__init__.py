"""Pages: HTML files that hold all that they need and open from disk: of a study, of several, and for a rater."""
