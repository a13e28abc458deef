"""A timeline made readable: its spans, its states at a step, and the drawing of its lanes.

Plain data in (workers.timeline.Timeline), plain data and SVG out; no store and no Flask here.
"""
