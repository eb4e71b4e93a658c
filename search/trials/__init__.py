"""Trials as a study keeps them: which count, what they came to."""
