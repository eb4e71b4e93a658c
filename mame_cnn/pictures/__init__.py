"""Pictures of what networks do; matplotlib for files, plotly for pages."""
