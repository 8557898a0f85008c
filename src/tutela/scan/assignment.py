"""What one worker has been given, and how far it says it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from tutela.scan.wire import ITSELF, Begin, Digested, Item, Kind, Order, Outcome


@dataclass
class Assignment:
    """What one worker has been given, and how far it says it is."""

    items: dict[int, Item]
    begun: dict[int, list[Begin]] = field(default_factory=dict)
    # What is known, and what was handed over to be kept, of contents that have not ended.
    digested: dict[tuple[int, Order], Digested] = field(default_factory=dict)
    handed: dict[tuple[int, Order], set[Kind]] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    ended: set[Order] = field(default_factory=set)
    garbled: bool = False

    def begin(self, begin: Begin) -> None:
        """The worker starts on a content."""
        self.begun.setdefault(begin.item, []).append(begin)

    def end(self, outcome: Outcome) -> None:
        """A content ended; a file that ended is finished."""
        started = self.begun.get(outcome.item, [])
        started[:] = [begin for begin in started if begin.order != outcome.order]
        self.digested.pop((outcome.item, outcome.order), None)
        self.handed.pop((outcome.item, outcome.order), None)
        if len(outcome.order) == 1 and self.items[outcome.item].members:
            self.ended.add(outcome.order)
        if outcome.order == ITSELF:
            self.finished.add(outcome.item)

    def over(self, item: int, order: Order) -> bool:
        """Tell whether the content that holds this one has ended: nothing may follow."""
        return item in self.finished or order[:1] in self.ended

    def kept(self) -> bool:
        """Tell whether a worker that says it is done has done all of it."""
        return not self.garbled and all(self._did(item) for item in self.items.values())

    def _did(self, item: Item) -> bool:
        if not item.members:
            return item.item in self.finished
        orders = ((item.first + n,) for n in range(len(item.members)))
        return all(order in self.ended or order in item.done for order in orders)
