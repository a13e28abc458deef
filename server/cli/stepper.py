"""Steps through a timeline in a terminal or a pipe: a command a line, the state as it is after the step looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TextIO

from server.timeline.lanes import slot_words, step_words
from server.timeline.story import Story
from workers.diagram import text_of
from workers.timeline import FolioState, PteState, SlotState, Timeline

PROMPT = "step {at}> "
SLOT = re.compile(r"\d{1,3}:\d{1,12}")
LISTED = 5  # steps before and after the one that is looked at
HELP = """\
next [N]     one step on, or N (n; an empty line does the last of next and back again)
back [N]     one step back, or N (b)
goto N       to step N (g); 0 is before the first
change       to the next step that changes a slot, a folio or a PTE (c)
slot [D:O]   the slot, or all that the steps change or touch (s)
folio [PFN]  the folio, or all that the steps change (f)
pte          the page-table entries that the steps change
locks        who holds and waits for what (l)
where        the calls of the step, innermost first (w)
list         the steps around this one
diagram      the diagram of the whole
help         this (h, ?)
quit         the end (q); so is the end of the input"""
SHORT = {
    "n": "next",
    "b": "back",
    "g": "goto",
    "c": "change",
    "s": "slot",
    "f": "folio",
    "l": "locks",
    "w": "where",
    "h": "help",
    "?": "help",
    "q": "quit",
}


class Stepper:
    """Stands before the first step of a timeline, and goes where it is told. `say` takes each line of its answers."""

    def __init__(self, timeline: Timeline, law: str | None, say: Callable[[str], object]) -> None:
        self._timeline = timeline
        self._story = Story(timeline)
        self._law = law
        self._say = say
        self._last = "next"
        self.at = 0  # steps that have happened
        self._do: dict[str, Callable[[str], None]] = {
            "next": lambda given: self._move(self.at + self._number(given, 1)),
            "back": lambda given: self._move(self.at - self._number(given, 1)),
            "goto": self._goto,
            "change": self._change,
            "slot": self._slot,
            "folio": self._folio,
            "pte": self._ptes,
            "locks": self._locks,
            "where": self._where,
            "list": self._list,
            "diagram": lambda _: self._tell(text_of(timeline, law)),
            "help": lambda _: self._tell(HELP.splitlines()),
        }

    def run(self, commands: TextIO, *, prompts: bool) -> None:
        """Do what the lines of `commands` ask until one says quit, or they end."""
        self._say(f"{len(self._story.steps)} steps; help lists the commands")
        while True:
            if prompts:
                print(PROMPT.format(at=self.at), end="", flush=True)
            line = commands.readline()
            if not line or not self.do(line.strip()):
                return

    def do(self, line: str) -> bool:
        """Do one command; False when it was quit. What cannot be done is told, and changes nothing."""
        word, _, given = (line or self._last).partition(" ")
        name = SHORT.get(word, word)
        if name == "quit":
            return False
        if name not in self._do:
            self._say(f"there is no command {word!r}; there are: {', '.join([*self._do, 'quit'])}")
            return True
        try:
            self._do[name](given.strip())
        except Cannot as error:
            self._say(str(error))
        if name in ("next", "back"):
            self._last = line or self._last
        return True

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._say(line)

    def _number(self, given: str, default: int | None = None) -> int:
        if not given and default is not None:
            return default
        if not given.isdecimal() or len(given) > 9:
            raise Cannot(f"{given!r} is no number of steps")
        return int(given)

    def _move(self, to: int) -> None:
        count = len(self._story.steps)
        bound = min(max(to, 0), count)
        if bound == self.at:
            raise Cannot("this is the last step" if to > count else "nothing has happened yet")
        self.at = bound
        self._show()

    def _goto(self, given: str) -> None:
        to = self._number(given)
        if to > len(self._story.steps):
            raise Cannot(f"there is no step {to}: the last one is {len(self._story.steps)}")
        self.at = to
        self._show()

    def _change(self, _: str) -> None:
        steps = self._story.steps
        to = next(
            (at for at in range(self.at, len(steps)) if steps[at].slots or steps[at].folios or steps[at].ptes), None
        )
        if to is None:
            raise Cannot("no later step changes a slot, a folio or a PTE")
        self._move(to + 1)

    def _show(self) -> None:
        """The step that has just happened, and what it has changed."""
        if self.at == 0:
            self._say("before the first step")
            return
        step = self._story.steps[self.at - 1]
        self._say(self._line(self.at))
        self._tell(f"    {told_slot(slot)}" for slot in step.slots)
        self._tell(f"    {told_folio(folio)}" for folio in step.folios)
        self._tell(f"    {told_pte(pte)}" for pte in step.ptes)
        if self.at == len(self._story.steps):
            self._say(f"the end: {self._timeline.ending}")
            for finding in self._timeline.findings:
                if self._law in (None, finding.law):
                    self._say(f"{finding.law} is broken: {finding.sentence}")
                    self._say(f"    {finding.detail}")

    def _line(self, number: int) -> str:
        step = self._story.steps[number - 1]
        inside = f"  in {step.where[0].partition(':')[2]}" if step.where else ""
        return f"{number:>4} {self._timeline.cpus[step.cpu]} {step_words(step)}{inside}"

    def _slot(self, given: str) -> None:
        if given and not SLOT.fullmatch(given):
            raise Cannot(f"{given!r} is no slot; device:offset is one, as {next(iter(self._story.slots), '0:1')}")
        known = [slot for slot in self._story.slots if self._state(slot) is not None]
        if given and given not in known:
            raise Cannot(f"no step changes slot {given}; there are: {', '.join(known) or 'none'}")
        if not known:
            raise Cannot("no step changes a slot")
        for slot in [given] if given else known:
            state = self._state(slot)
            assert state is not None
            self._say(told_slot(state))

    def _state(self, slot: str) -> SlotState | None:
        return self._story.slot_at(slot, self.at - 1)

    def _folio(self, given: str) -> None:
        known = {folio.pfn: folio for folio in self._story.folios_at(self.at - 1)}
        if given and (not given.isdecimal() or int(given) not in known):
            raise Cannot(f"no step changes folio {given}; there are: {', '.join(map(str, known)) or 'none'}")
        if not known:
            raise Cannot("no step changes a folio")
        self._tell(told_folio(known[pfn]) for pfn in ([int(given)] if given else known))

    def _ptes(self, _: str) -> None:
        states = {(pte.mm, pte.page): pte for pte in self._timeline.ptes}
        for step in self._story.steps[: self.at]:
            states.update({(pte.mm, pte.page): pte for pte in step.ptes})
        if not states:
            raise Cannot("no step changes a PTE")
        self._tell(told_pte(states[key]) for key in sorted(states))

    def _locks(self, _: str) -> None:
        at = self.at - 1
        spans = [span for span in self._story.spans if span.first <= at < span.last or (span.open and span.first <= at)]
        words = {"hold": "holds", "wait": "waits for", "sleep": "sleeps:"}
        if not spans:
            self._say("no lock is held")
        for span in spans:
            until = "to the end" if span.open else f"to step {span.last + 1}"
            name = self._timeline.cpus[span.cpu]
            self._say(f"{name} {words[span.kind]} {span.label}, step {span.first + 1} {until}")

    def _where(self, _: str) -> None:
        if self.at == 0:
            raise Cannot("nothing has happened yet")
        self._tell(self._story.steps[self.at - 1].where or ["outside of any function that is known"])

    def _list(self, _: str) -> None:
        first, last = max(1, self.at - LISTED), min(len(self._story.steps), self.at + LISTED)
        for number in range(first, last + 1):
            self._say(f"{'>' if number == self.at else ' '}{self._line(number)}")


class Cannot(Exception):
    """What a command asks for and cannot have."""


def told_slot(state: SlotState) -> str:
    """A slot in a line."""
    memcg = f", cgroup id {state.memcg}" if state.memcg else ""
    return f"slot {state.slot}: {', '.join(slot_words(state))}{memcg}"


def told_folio(state: FolioState) -> str:
    """A folio in a line."""
    lock = f", locked by {state.locked_by}" if state.locked_by else ""
    flags = " ".join(state.flags) or "no flags"
    return f"folio {state.pfn}: {flags}; refs {state.refcount}, mapped {state.mapcount}{lock}"


def told_pte(state: PteState) -> str:
    """A page-table entry in a line."""
    to = {"swap": f"slot {state.slot}", "present": f"folio {state.pfn}"}.get(state.kind, state.kind)
    return f"PTE of page {state.page}, mm {state.mm}: {to}"
