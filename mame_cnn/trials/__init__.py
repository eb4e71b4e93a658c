"""The torch side of the seam: the trials of a search, trained as cohorts."""
