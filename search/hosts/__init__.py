"""Processes and hosts: who runs a trial, and whether it is alive."""
