"""`python -m server.cli` is `swaprace`, from a checkout where nothing is installed."""

from server.cli.group import main

main(prog_name="swaprace")
