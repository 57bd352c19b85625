"""The language shares of any corpus (paper, appendix A, Table 1)."""
