"""Load: Locust users of the REST API, and Locust users that are CPUs of a live run (docs/load.md).

Nothing of the service imports this. Importing Locust patches the standard library for gevent, so only Locust loads
`locustfile`, and only `locustfile` the rest; `rounding` and `shapes` are plain.
"""
