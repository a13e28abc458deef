"""Historical bugs, each a protocol of a few lines: a sound one but for its wrong step (workers/exhibits).

Nothing here may be derived from, and no table of protocols lists it. A file is named as its protocol, its class as the
file in CamelCase.
"""
