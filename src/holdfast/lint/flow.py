"""HF110 to HF117: follows a caller's text through a tool's code to where it is opened, fetched or run.

Within functions, and from a function to others of the same file. What it does not follow: attributes of objects, other
modules, containers that are filled piece by piece. A path that it misses is no proof of safety.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from holdfast.lint.expressions import Values
from holdfast.lint.finding import Finding
from holdfast.lint.source import Function, Source
from holdfast.lint.subject import Subject, Whole

MAX_STEPS = 400
"""Functions that are followed for one tool, each with one set of parameters."""
MAX_DEPTH = 8
"""Calls of calls of ..."""


def find(whole: Whole) -> Iterator[Finding]:
    """Follow the arguments of every tool, resource and prompt."""
    for subject in whole.subjects:
        if subject.source is not None and subject.function is not None and subject.operation.kind != "completion":
            yield from Flow(subject, subject.source).run(subject.function)


@dataclass(eq=False)
class Flow:
    """One operation's text on its way. ``seen`` are the functions that were followed, with what came in."""

    subject: Subject
    source: Source
    findings: list[Finding] = field(default_factory=list)
    seen: dict[tuple[Function, frozenset[str]], bool] = field(default_factory=dict)

    def run(self, function: Function) -> list[Finding]:
        """The findings, each once."""
        texts = self.subject.texts
        whole = getattr(self.subject.operation, "_whole", None)
        if whole is not None:  # the one parameter that gets all arguments, described by a schema of the author's
            self.follow(function, Values(self.source, {whole}), 0)
        elif self.subject.owner is None:
            self.follow(function, Values(self.source, set(texts)), 0)
        else:
            words = [arg.arg for arg in function.args.args]
            fields = {self.subject.models.get(name, name) for name in texts}
            self.follow(function, Values(self.source, set(), {(words[1], name) for name in fields if words[1:]}), 0)
        return list(dict.fromkeys(self.findings))

    def follow(self, function: Function, values: Values, depth: int) -> bool:
        """Go through a function; whether what it returns is the caller's."""
        key = (function, frozenset({*values.names, *(f"{a}.{b}" for a, b in values.fields)}))
        if key in self.seen or depth > MAX_DEPTH or len(self.seen) >= MAX_STEPS:
            return self.seen.get(key, False)
        self.seen[key] = False
        walk = Walk(self, values, depth)
        walk.block(function.body)
        self.seen[key] = walk.returned
        return walk.returned

    def report(self, code: str, what: str, node: ast.expr) -> None:
        """Note one finding, at the place in the code where it happens."""
        place = self.source.place(node)
        self.findings.append(Finding(code, f"{self.subject.label}: a caller's text becomes {what}", place))


class Walk:
    """Goes through statements in their order and keeps track of which names hold a caller's text."""

    def __init__(self, flow: Flow, values: Values, depth: int) -> None:
        self.flow = flow
        self.values = values
        self.depth = depth
        self.returned = False
        self._certain = 0  # above zero: within a branch or loop, where an assignment may not happen

    def block(self, body: list[ast.stmt]) -> None:
        """Each statement in turn."""
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.block(node.body)  # a closure sees what is around it
            return
        if isinstance(node, ast.ClassDef):
            return
        if isinstance(node, ast.With | ast.AsyncWith):
            self._entered(node)
        for expression in _own(node):
            self._calls(expression)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self._assign(node)
        elif isinstance(node, ast.Return) and node.value is not None:
            self.returned = self.returned or self.taints(node.value)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._bind(node.target, self.taints(node.iter))
        self._inner(node)

    def _entered(self, node: ast.With | ast.AsyncWith) -> None:
        """Each item in turn: a later one may use what an earlier one is called."""
        for item in node.items:
            self._calls(item.context_expr)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, self.taints(item.context_expr))
                self.values.note_client(item.optional_vars, item.context_expr)

    def _inner(self, node: ast.stmt) -> None:
        loops = isinstance(node, ast.For | ast.AsyncFor | ast.While)
        branches = [getattr(node, name, None) or [] for name in ("body", "orelse", "finalbody")]
        branches += [handler.body for handler in getattr(node, "handlers", [])]
        branches += [case.body for case in getattr(node, "cases", [])]
        certain = isinstance(node, ast.With | ast.AsyncWith)
        self._certain += not certain
        for _ in range(2 if loops else 1):  # what a loop assigns at its end is there at its beginning
            for body in branches:
                self.block(body)
        self._certain -= not certain
        if isinstance(node, ast.If):
            self._refused(node)

    def _refused(self, node: ast.If) -> None:
        """``if x not in ALLOWED: raise`` leaves only values that the author wrote."""
        test = node.test
        if (
            isinstance(test, ast.Compare)
            and isinstance(test.ops[0], ast.NotIn)
            and isinstance(node.body[-1], ast.Raise | ast.Return | ast.Continue)
            and not self.taints(test.comparators[0])
        ):
            self.values.forget(test.left)

    def _assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        if node.value is None:
            return
        tainted = self.taints(node.value)
        if isinstance(node, ast.AugAssign):
            tainted = tainted or self.taints(node.target)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._bind(target, tainted)
            self.values.note_client(target, node.value)
            self.values.note_host(target, node.value, tainted)

    def _bind(self, target: ast.expr, tainted: bool) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for item in target.elts:
                self._bind(item, tainted)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, tainted)
        elif isinstance(target, ast.Subscript | ast.Attribute) and tainted:
            self._bind(target.value, True)
        elif isinstance(target, ast.Name):
            if tainted:
                self.values.names.add(target.id)
            elif not self._certain:
                self.values.names.discard(target.id)

    def taints(self, node: ast.expr) -> bool:
        """Whether an expression holds a caller's text, calls of the file's own functions followed."""
        return self.values.taints(node, self._called)

    def _calls(self, expression: ast.expr) -> None:
        """Judge every call in an expression, and follow those that lead to the file's own functions."""
        for node in ast.walk(expression):
            if isinstance(node, ast.NamedExpr):
                self._bind(node.target, self.taints(node.value))
            elif isinstance(node, ast.comprehension):
                self._bind(node.target, self.taints(node.iter))
        for node in ast.walk(expression):
            if isinstance(node, ast.Call):
                for code, what, at in self.values.arrivals(node, self._called):
                    self.flow.report(code, what, at)
                self._called(node)
            elif isinstance(node, ast.BinOp) and self.values.makes_path(node, self._called):
                self.flow.report("HF110", "a path", node)

    def _called(self, call: ast.Call) -> bool | None:
        """Whether the file's own function gives back a caller's text; ``None`` when it is somebody else's."""
        direct = self.values.direct(call)
        function = self._function(direct.func)
        if function is None:
            return None
        names, fields = self.values.handed(function, direct, self._called)
        if not names and not fields:
            return False
        return self.flow.follow(function, Values(self.flow.source, names, fields), self.depth + 1)

    def _function(self, called: ast.expr) -> Function | None:
        """A function of the module, or a method of the tool's own class."""
        source, owner = self.flow.source, self.flow.subject.owner
        if isinstance(called, ast.Name):
            return next((f for f in source.functions if f.name == called.id and _is_top(source, f)), None)
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "self":
            methods = owner.body if owner is not None else []
            found = (node for node in methods if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
            return next((node for node in found if node.name == called.attr), None)
        return None


def _is_top(source: Source, function: Function) -> bool:
    return isinstance(source.parents.get(function), ast.Module | ast.If | ast.Try)


def _own(node: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement itself, not those of the statements in it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.match_case) and child.guard is not None:
            yield child.guard
