"""Draws an interleaving as commit messages do: a column a CPU. It knows a Timeline, and neither memory nor the core."""
