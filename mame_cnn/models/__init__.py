"""Trained networks and ensembles: kept, opened, asked and exported."""
