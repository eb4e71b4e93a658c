"""Reports: what a study found as figures, and as one HTML file that needs no network.

The figures are pure, study data in and a plotly figure out, so that a dashboard can show them too.
"""
