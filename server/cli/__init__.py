"""The command line: asks, shows and exits. It measures nothing itself and keeps nothing but what the store keeps.

`swaprace = server.cli:main`; a command a file; docs/cli.md describes them.
"""

from server.cli.group import main

__all__ = ["main"]
