"""Load: Locust users of the REST API (docs/cli.md, `swaprace load`). Nothing of the service imports this.

Importing Locust patches the standard library for gevent, so only `locustfile` does, and only Locust loads it.
"""
