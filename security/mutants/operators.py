"""The ways in which a guard may be broken by hand: a check left out, forced, or moved by one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_BOUNDARIES: Final = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_HARMLESS: Final = ("TYPE_CHECKING", "logging.", "_log.", "warnings.")
"""What a guard does not guard with: imports for the type checker, words for the operator."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one file. ``key`` names it as long as its own line stays as it is, wherever that line moves."""

    number: int
    kind: str
    function: str
    line: int
    text: str

    @property
    def key(self) -> str:
        return f"{self.function}: {self.kind}: {self.text}"


class _Breaker(ast.NodeTransformer):
    """Walks a module in one fixed order and offers every change; makes the one whose number is wanted."""

    def __init__(self, wanted: int | None = None) -> None:
        self.found: list[Mutant] = []
        self._wanted = wanted
        self._functions: list[str] = []
        self._returns: list[str] = []

    def _offer(self, node: ast.AST, kind: str, shown: ast.AST | None = None) -> bool:
        text = ast.unparse(shown or node).split("\n", 1)[0][:140]
        if any(word in text for word in _HARMLESS):
            return False
        number = len(self.found)
        line = getattr(node, "lineno", 0)
        self.found.append(Mutant(number, kind, ".".join(self._functions) or "<module>", line, text))
        return number == self._wanted

    def _scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self._functions.append(node.name)
        returns = getattr(node, "returns", None)
        self._returns.append(ast.unparse(returns) if returns is not None else "")
        self.generic_visit(node)
        self._functions.pop()
        self._returns.pop()
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _scope

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Pass(), node) if self._offer(node, "no raise") else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        inner = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(inner, ast.Call) and self._offer(node, "no call"):
            return ast.copy_location(ast.Pass(), node)
        return node

    def _condition(self, node: ast.If | ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        test = node.test
        for kind, value in (("never", False), ("always", True)):
            if self._offer(node, kind, test):
                node.test = ast.copy_location(ast.Constant(value), test)
        return node

    visit_If = visit_IfExp = _condition

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        for index, test in enumerate(node.ifs):
            if self._offer(test, "always"):
                node.ifs[index] = ast.copy_location(ast.Constant(True), test)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        left_out = [i for i, value in enumerate(node.values) if self._offer(value, f"operand {i} left out", node)]
        if not left_out:
            return node
        rest = [value for i, value in enumerate(node.values) if i != left_out[0]]
        return rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for index, operator in enumerate(node.ops):
            other = _BOUNDARIES.get(type(operator))
            if other is not None and self._offer(node, f"boundary {index}"):
                node.ops[index] = other()
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if self._returns and self._returns[-1] == "bool" and node.value is not None:
            for kind, value in (("yes", True), ("no", False)):
                same = isinstance(node.value, ast.Constant) and node.value.value is value
                if not same and self._offer(node, kind):
                    node.value = ast.copy_location(ast.Constant(value), node.value)
        return node


def mutants(source: str) -> list[Mutant]:
    """Every change there is for a module's source."""
    breaker = _Breaker()
    breaker.visit(ast.parse(source))
    return breaker.found


def broken(source: str, number: int) -> ast.Module:
    """The module with the change of that number made."""
    breaker = _Breaker(number)
    tree = breaker.visit(ast.parse(source))
    return ast.fix_missing_locations(tree)


def lines_of(tree: ast.AST) -> Iterator[int]:
    """The lines at module level, which no test covers by name since they run at import."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from range(getattr(node, "lineno", 1), getattr(node, "end_lineno", 0) + 1)
