"""Finds the actions that code writes to the log, by reading the code and not by running it.

A call of `log.record`, `record` or `Event` that came from the audit room counts, under whatever
name it was imported. Its action may be text, one of two texts, a name that only ever stands for
texts, a parameter that is given such, an element of a tuple or a value of a table. Of a text that
is put together, what is not known is `*`. What cannot be followed at all is "", with its place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LOG = "tutela.audit.log"
DEEPEST = 6


@dataclass
class Module:
    """What one module says to the log."""

    path: Path
    dotted: str
    calls: dict[str, list[tuple[Module, ast.Call]]]  # of all modules, by what is called
    tree: ast.Module = field(init=False)
    names: dict[str, str] = field(default_factory=dict)  # name here -> what was imported
    own: list[ast.Call] = field(default_factory=list)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.path.read_bytes())
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                self.names |= {
                    one.asname or one.name: f"{node.module}.{one.name}" for one in node.names
                }
            elif isinstance(node, ast.Call):
                self.own.append(node)
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        for call in self.own:
            self.calls.setdefault(self._called(call.func), []).append((self, call))

    def actions(self) -> Iterator[tuple[str, int]]:
        """Yield each action with its line; an empty one where it cannot be followed."""
        for call in self.own:
            place = self._place(call.func)
            if place is None:
                continue
            given = self._argument(call, place, "action")
            found = set(self._texts(given, DEEPEST)) if given is not None else {""}
            for action in found or {""}:
                yield action, call.lineno

    def _place(self, func: ast.expr) -> int | None:
        """Return where the action stands among the arguments, or None for another function."""
        return {f"{LOG}.record": 2, f"{LOG}.Event": 0}.get(self._called(func))

    def _called(self, func: ast.expr) -> str:
        """Return the dotted name of what is called, as far as this module imports it."""
        if isinstance(func, ast.Name):
            return self.names.get(func.id, f"{self.dotted}.{func.id}")
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            return f"{self.names.get(func.value.id, '')}.{func.attr}"
        return ""

    def _argument(self, call: ast.Call, place: int, name: str) -> ast.expr | None:
        for word in call.keywords:
            if word.arg == name:
                return word.value
        if len(call.args) > place and not any(
            isinstance(one, ast.Starred) for one in call.args[: place + 1]
        ):
            return call.args[place]
        return None

    def _texts(self, node: ast.expr, depth: int) -> Iterator[str]:
        if depth and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif depth and isinstance(node, ast.JoinedStr):
            yield from self._joined(node, depth)
        elif depth and isinstance(node, ast.Name):
            yield from self._named(node, depth - 1)
        elif depth and (parts := _parts(node)):
            for part in parts:
                yield from self._texts(part, depth - 1)
        else:
            yield ""

    def _joined(self, node: ast.JoinedStr, depth: int) -> Iterator[str]:
        made = [""]
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            texts = [text or "*" for text in self._texts(inner, depth - 1)]
            made = [left + right for left in made for right in texts]
        yield from made

    def _named(self, node: ast.Name, depth: int) -> Iterator[str]:
        """Follow a name: what is assigned to it, or what a parameter is given."""
        function = self._function(node)
        while function is not None:
            names = [one.arg for one in function.args.args + function.args.kwonlyargs]
            if node.id in names:
                yield from self._given(function, node.id, names.index(node.id), depth)
                return
            found = list(self._assigned(function, node.id))
            if found:
                for value in found:
                    yield from self._texts(value, depth)
                return
            function = self._function(function)
        found = list(self._assigned(self.tree, node.id))
        for value in found:
            yield from self._texts(value, depth)
        if not found:
            yield ""

    def _function(self, node: ast.AST) -> ast.FunctionDef | None:
        above = self.parents.get(node)
        while above is not None and not isinstance(above, ast.FunctionDef):
            above = self.parents.get(above)
        return above

    def _assigned(self, scope: ast.AST, name: str) -> Iterator[ast.expr]:
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    yield from _matching(target, node.value, name)
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
                yield from _matching(node.target, node.value, name)

    def _given(self, function: ast.FunctionDef, name: str, at: int, depth: int) -> Iterator[str]:
        found = False
        for module, call in self.calls.get(f"{self.dotted}.{function.name}", ()):
            value = self._argument(call, at, name)
            if value is not None:
                found = True
                yield from module._texts(value, depth)
        names = [one.arg for one in function.args.args]
        defaults = dict(zip(names[::-1], function.args.defaults[::-1], strict=False))
        if name in defaults:
            found = True
            yield from self._texts(defaults[name], depth)
        if not found:
            yield ""


def _parts(node: ast.expr) -> list[ast.expr]:
    """Return what one of several texts is chosen from."""
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.Subscript):
        return [node.value]
    if isinstance(node, ast.Dict):
        return node.values
    return node.elts if isinstance(node, (ast.Tuple, ast.List)) else []


def _matching(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(value, ast.IfExp):
        yield from _matching(target, value.body, name)
        yield from _matching(target, value.orelse, name)
    elif isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple):
        if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
            for inner, part in zip(target.elts, value.elts, strict=True):
                yield from _matching(inner, part, name)
        elif any(isinstance(one, ast.Name) and one.id == name for one in target.elts):
            yield value


def of(folder: Path) -> dict[str, list[str]]:
    """Return the actions that a package writes, each with its places; "" for unknown."""
    modules: list[Module] = []
    calls: dict[str, list[tuple[Module, ast.Call]]] = {}
    for path in sorted(folder.rglob("*.py")):
        dotted = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        if dotted != LOG:  # which only hands on
            modules.append(Module(path, dotted.removesuffix(".__init__"), calls))
    found: dict[str, list[str]] = {}
    for module in modules:
        for action, line in module.actions():
            found.setdefault(action, []).append(f"{module.path.relative_to(folder)}:{line}")
    return found
