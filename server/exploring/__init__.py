"""Exploration as the service sees it: what is asked, the child that plays it, its end, and how a finding is written.

Nothing here plays an interleaving: `python -m workers.explorer` does, JSON in, JSON out.
"""
