"""Images from a folder, or from scikit-learn, as arrays that a training run can index.

Fetched, checked, decoded once, and surveyed.
"""
