"""What is wrong with a filter: where, and what would be right."""

from __future__ import annotations


class FilterError(ValueError):
    """A filter or a sort that cannot be used. `column` counts characters of the text from 1."""

    def __init__(self, text: str, at: int, problem: str, right: str) -> None:
        super().__init__(f"column {at + 1}: {problem}; {right}")
        self.text = text
        self.column = at + 1
        self.problem = problem
        self.right = right

    def pointed(self) -> str:
        """The text with a mark below the place, for a terminal."""
        return f"{self.text}\n{' ' * (self.column - 1)}^ {self.problem}; {self.right}"
