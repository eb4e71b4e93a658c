"""The loop of a search: claim, train, report, judge, end, until the total."""
