"""What all commands share: errors that are the user's to mend, exit statuses, numbers.

Imports the standard library alone, so that both halves of the house may use it.
"""
