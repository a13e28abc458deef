"""From a filter's text to its tree: or binds least, then and (also by standing side by side), then not."""

from __future__ import annotations

from server.filters import tree, values
from server.filters.errors import FilterError
from server.filters.fields import Field
from server.filters.lists import FilteredList
from server.filters.tokens import Kind, Token, tokens_of

MAX_CHARACTERS = 2_000
MAX_TERMS = 100  # a statement of more is refused by no database, and asked for by no person
MAX_DEPTH = 30


def parse(text: str, of: FilteredList) -> tree.Node:
    """The tree of a filter over the fields of a list; an empty text lets everything through. Raises FilterError."""
    if len(text) > MAX_CHARACTERS:
        raise FilterError(text, MAX_CHARACTERS, "the filter is too long", f"use up to {MAX_CHARACTERS} characters")
    for at, character in enumerate(text):
        if not character.isprintable() and not character.isspace():
            raise FilterError(text, at, "here is a control character", "leave it out")
    return _Parser(text, of).whole()


class _Parser:
    """Recursive descent over the tokens, one method a rule."""

    def __init__(self, text: str, of: FilteredList) -> None:
        self._text = text
        self._list = of
        self._tokens = tokens_of(text)
        self._at = 0
        self._depth = 0
        self._terms = 0

    def whole(self) -> tree.Node:
        if self._is("end"):
            return tree.Every(())
        node = self._any_of(None)
        if not self._is("end"):
            raise self._wrong("this bracket closes nothing", "take it away, or open one before it")
        return node

    def _is(self, *kinds: Kind) -> bool:
        return self._tokens[self._at].kind in kinds

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._now
        self._at += 1
        return token

    def _wrong(self, problem: str, right: str, at: int | None = None) -> FilterError:
        return FilterError(self._text, self._now.at if at is None else at, problem, right)

    def _any_of(self, field: Field | None) -> tree.Node:
        """Alternatives; within `field:( )` they are values of that field."""
        nodes = [self._every(field)]
        while self._is("or"):
            self._take()
            nodes.append(self._every(field))
        return nodes[0] if len(nodes) == 1 else tree.Any(tuple(nodes))

    def _every(self, field: Field | None) -> tree.Node:
        nodes = [self._unary(field)]
        while not self._is("or", ")", "end"):
            if self._is("and"):
                self._take()
            nodes.append(self._unary(field))
        return nodes[0] if len(nodes) == 1 else tree.Every(tuple(nodes))

    def _unary(self, field: Field | None) -> tree.Node:
        if self._is("not"):
            self._enter()
            self._take()
            node = tree.Not(self._unary(field))
            self._depth -= 1
            return node
        if self._is("("):
            return self._group(field)
        return self._term() if field is None else self._value(field, ":")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong("this is nested too deeply", f"use up to {MAX_DEPTH} levels")

    def _group(self, field: Field | None) -> tree.Node:
        self._enter()
        opened = self._take()
        if self._is(")"):
            raise self._wrong("nothing stands in these brackets", "write what is to hold, or take them away", opened.at)
        node = self._any_of(field)
        if not self._is(")"):
            raise self._wrong("this bracket is not closed", "write ) after what belongs together", opened.at)
        self._take()
        self._depth -= 1
        return node

    def _term(self) -> tree.Node:
        token = self._now
        if token.kind == "quoted":
            self._take()
            return self._words(token)
        if token.kind != "word":
            what = "the end" if token.kind == "end" else f"{token.text!r}"
            raise self._wrong(f"{what} stands where a term is due", "write field:value, field<value, a word or NOT")
        self._take()
        if not self._is("operator"):
            return self._words(token)
        field = self._list.fields.get(token.text)
        if field is None:
            raise self._wrong(f"there is no field {token.text!r}", self._list.near(token.text), token.at)
        operator = self._take().text
        if operator == ":" and self._is("("):
            return self._group(field)
        return self._value(field, operator)

    def _words(self, token: Token) -> tree.Node:
        self._count(token)
        if not token.text.strip():
            raise self._wrong("an empty text stands in everything", "write what to look for", token.at)
        return tree.Words(token.text)

    def _value(self, field: Field, operator: str) -> tree.Node:
        if operator == ":" and self._is("operator"):
            operator = self._take().text
        token = self._now
        if token.kind not in ("word", "quoted"):
            raise self._wrong(f"{field.name}{operator} lacks its value", f"write {field.example}")
        self._take()
        self._count(token)
        try:
            return values.test(field, operator, token.text, quoted=token.kind == "quoted")
        except ValueError as error:
            raise self._wrong(str(error), f"write {field.example}", token.at) from None

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._wrong("here are too many terms", f"use up to {MAX_TERMS}", token.at)
