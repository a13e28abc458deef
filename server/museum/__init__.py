"""The museum as the service keeps it: every exhibit explored, the figures in docs/museum.json, the page docs/museum.md.

The exhibits are explored as anything else is, by `python -m workers.explorer`; workers/exhibits says what they are.
"""
