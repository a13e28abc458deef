"""Simulation as the service sees it: the child that plays it in virtual time, and how its figures are written.

Nothing here simulates: `python -m workers.simulation` does, JSON in, JSON out.
"""
