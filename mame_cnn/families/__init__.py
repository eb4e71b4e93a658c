"""How each family of networks is built for T members at once, one file a family.

`network` builds one of any family; `cohort_network`, `layered` and `modules` are what they share.
"""
