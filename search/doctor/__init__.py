"""The doctor of a storage: finds what crashes, full disks and network file systems leave behind.

It changes nothing unless told to, keeps a copy of what it changes, and says what was lost.
"""
