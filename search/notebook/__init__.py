"""The notebook: an entry for every study under five headings, and the index of all studies.

An entry is the study's note in Optuna's dashboard and `notebook.md` in the study's folder. It is
begun with the study (`beginning`), concluded when a search ends (`concluding`), and written anew
for all studies by `python -m search.notebook`.
"""
