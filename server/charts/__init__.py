"""Plots as SVG, drawn on the server: one way of drawing for pages, reports and files.

A plot is plain data in and SVG text out, with no style of its own: colours, light, dark and print are those of
server/static/charts.css, which pages link and which files and reports carry along. Nothing here knows of runs or of
stores. Each plot is drawn twice, wide and for a phone's width; the style sheet shows one of them.
"""
