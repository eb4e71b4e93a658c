"""Several networks' probabilities made into one: combiners, and what they are worth out of fold.

Knows probabilities and labels only; images and networks are the business of the rooms around it.
"""
