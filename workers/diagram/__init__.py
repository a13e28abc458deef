"""Draws an interleaving as commit messages do: a column a CPU. It knows a Timeline, and neither memory nor the core."""

from workers.diagram.render import json_of, markdown_of, text_of

__all__ = ["json_of", "markdown_of", "text_of"]
