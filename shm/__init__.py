"""What lies in memory: the segment, its header, and every structure in it. Imports nothing of ours.

Nothing here decides anything: no operation of a CPU, no protocol, no policy. README.md is the map.
"""
