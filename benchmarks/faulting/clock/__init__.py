"""Holds the clock that processes of a round import by themselves."""
