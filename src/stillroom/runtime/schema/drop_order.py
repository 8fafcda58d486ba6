"""The order in which objects can be dropped, and the statements that do it.

What needs others goes before these, so that no DROP needs CASCADE. Objects of one kind share a statement: one
`DROP TABLE a, b` also does for tables that refer to each other. Only objects of several kinds that need each other in
a circle (a table whose default calls a function that takes a row of the table) are dropped with CASCADE, which is no
surprise: whoever asks for an order knows already that nobody else needs any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import objects

__all__ = ["DropOrder"]

_TOGETHER = ("MATERIALIZED VIEW", "VIEW", "FOREIGN TABLE", "TABLE", "SEQUENCE", "ROUTINE", "TYPE")
"""Of these, one DROP takes a list; others go first, one by one."""

_CIRCLE = "circle"

_NEAR = 0.5
"""What needs more than this part of the server's room for locks goes in several transactions."""

_SHARE = 0.25
"""The part of the room that one of these may take."""

_LOCKS_OF_FOREIGN_KEY = 6

_Circle = list[objects.Id]


class DropOrder:
    """The order for a set of objects.

    Args:
        drops: the objects, none of which anything outside of the set needs.
        facts: the database that they are in.
    """

    def __init__(self, drops: Mapping[objects.Id, objects.Object], facts: objects.Facts) -> None:
        self._drops = dict(sorted(drops.items(), key=lambda pair: (pair[1].word, pair[1].name)))
        self._facts = facts
        self._needed_by = {what: {by for by in facts.dependants.get(what, ()) if by in drops} for what in self._drops}
        self._locks = {what: each.locks for what, each in self._drops.items()}
        for sequence in facts.sequences:
            owner = facts.whole(sequence)
            if owner in self._locks:
                self._locks[owner] += 1

    @property
    def locks(self) -> int:
        """How many locks dropping all of them takes."""
        return sum(self._locks.values())

    @property
    def in_order(self) -> tuple[objects.Object, ...]:
        """The objects in order."""
        return tuple(self._drops[what] for _, circles in self._groups() for circle in circles for what in circle)

    def transactions(self, lock_room: int) -> tuple[tuple[str, ...], ...]:
        """The statements, each inner tuple for one transaction.

        Args:
            lock_room: how many locks all sessions of the server can hold together.
        """
        if not self._drops:
            return ()
        if self.locks <= lock_room * _NEAR:
            return (tuple(each for word, circles in self._groups() for each in self._statements(word, circles)),)
        return tuple(self._batches(max(1, int(lock_room * _SHARE))))

    def _batches(self, budget: int) -> Iterator[tuple[str, ...]]:
        """Transactions that take few locks each; circles of foreign keys are cut first."""
        cuts = list(self._cut_foreign_keys())
        size = max(1, budget // _LOCKS_OF_FOREIGN_KEY)
        yield from (tuple(cuts[at : at + size]) for at in range(0, len(cuts), size))
        for word, circles in self._groups():
            for portion in self._portions(circles, budget):
                yield tuple(self._statements(word, portion))

    def _portions(self, circles: Sequence[_Circle], budget: int) -> Iterator[list[_Circle]]:
        portion: list[_Circle] = []
        taken = 0
        for circle in circles:
            need = sum(self._locks[each] for each in circle)
            if portion and taken + need > budget:
                yield portion
                portion, taken = [], 0
            portion.append(circle)
            taken += need
        yield portion

    def _cut_foreign_keys(self) -> Iterator[str]:
        """Statements that drop the foreign keys within circles; the circles are open afterwards."""
        for circle in _circles(self._needed_by):
            for what in circle:
                for by in sorted(self._needed_by[what] & set(circle)):
                    names = [self._facts.foreign_keys.get(part, "") for part in self._facts.dependants[what][by]]
                    if all(names):
                        self._needed_by[what].discard(by)
                        yield from (f"ALTER TABLE {self._drops[by].name} DROP CONSTRAINT {name}" for name in names)

    def _groups(self) -> Iterator[tuple[str, list[_Circle]]]:
        """(word, what goes together), in order; the word says which DROP it is."""
        circles = _circles(self._needed_by)
        number_of = {what: number for number, circle in enumerate(circles) for what in circle}
        needs: list[set[int]] = [set() for _ in circles]
        left = [0] * len(circles)
        for number, circle in enumerate(circles):
            users = {number_of[by] for what in circle for by in self._needed_by[what]} - {number}
            left[number] = len(users)
            for user in users:
                needs[user].add(number)
        free: dict[str, list[int]] = {}
        for number, count in enumerate(left):
            if not count:
                free.setdefault(self._word(circles[number]), []).append(number)
        while free:
            word = min(free, key=_rank)
            group: list[_Circle] = []
            while free.get(word):
                number = free[word].pop(0)
                group.append(circles[number])
                for needed in sorted(needs[number]):
                    left[needed] -= 1
                    if not left[needed]:
                        free.setdefault(self._word(circles[needed]), []).append(needed)
            del free[word]
            yield word, group

    def _word(self, circle: _Circle) -> str:
        words = {self._drops[what].word for what in circle}
        alone = len(circle) == 1 or words <= set(_TOGETHER)
        return words.pop() if len(words) == 1 and alone else _CIRCLE

    def _statements(self, word: str, circles: Sequence[_Circle]) -> Iterator[str]:
        members = [self._drops[what] for circle in circles for what in circle]
        if word in _TOGETHER:
            yield f"DROP {word} " + ", ".join(each.name for each in members)
        elif word != _CIRCLE:
            yield from (f"DROP {word} {each.name}" for each in members)
        else:
            # Tables take along what needs them; what is left then needs nothing of the circle.
            members.sort(key=lambda each: (_rank(each.word), each.name))
            yield from (f"DROP {each.word} IF EXISTS {each.name} CASCADE" for each in members)


def _rank(word: str) -> tuple[int, str]:
    """Rare kinds first, one by one; then kind by kind; circles last, since little is left of them then."""
    if word in _TOGETHER:
        return _TOGETHER.index(word), word
    return (len(_TOGETHER) if word == _CIRCLE else -1), word


def _circles(needed_by: Mapping[objects.Id, Iterable[objects.Id]]) -> list[_Circle]:
    """Sets of objects that need each other, alone or in a circle, each after all that need it."""
    return _Search({what: sorted(users) for what, users in needed_by.items()}).run()


class _Search:
    """Tarjan's search for strongly connected components, without recursion."""

    def __init__(self, edges: Mapping[objects.Id, Sequence[objects.Id]]) -> None:
        self._edges = edges
        self._index: dict[objects.Id, int] = {}
        self._low: dict[objects.Id, int] = {}
        self._stack: list[objects.Id] = []
        self._on_stack: set[objects.Id] = set()
        self._found: list[_Circle] = []

    def run(self) -> list[_Circle]:
        for start in self._edges:
            if start not in self._index:
                self._from(start)
        return self._found

    def _from(self, start: objects.Id) -> None:
        path = [self._enter(start)]
        while path:
            node, following = path[-1]
            other = next(following, None)
            if other is None:
                path.pop()
                self._leave(node)
                if path:
                    above = path[-1][0]
                    self._low[above] = min(self._low[above], self._low[node])
            elif other not in self._index:
                path.append(self._enter(other))
            elif other in self._on_stack:
                self._low[node] = min(self._low[node], self._index[other])

    def _enter(self, node: objects.Id) -> tuple[objects.Id, Iterator[objects.Id]]:
        self._index[node] = self._low[node] = len(self._index)
        self._stack.append(node)
        self._on_stack.add(node)
        return node, iter(self._edges[node])

    def _leave(self, node: objects.Id) -> None:
        if self._low[node] != self._index[node]:
            return
        at = self._stack.index(node)
        circle = self._stack[at:]
        del self._stack[at:]
        self._on_stack.difference_update(circle)
        self._found.append(sorted(circle))
