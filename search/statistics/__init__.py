"""What a number of images can tell: intervals, tests, and what choosing the best has flattered.

Plain functions of arrays and counts. They know no trials and no studies: see
`search.comparing.comparison`.
"""
