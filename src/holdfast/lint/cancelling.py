"""HF603: handlers in asynchronous functions that swallow a cancellation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from holdfast.lint.finding import Finding
from holdfast.lint.source import Source
from holdfast.lint.subject import Whole

_CANCELLATION: Final = frozenset(
    {
        "BaseException",
        "asyncio.CancelledError",
        "CancelledError",
        "asyncio.exceptions.CancelledError",
        "BaseExceptionGroup",
    }
)
_WAITS: Final = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield)


def find(whole: Whole) -> Iterator[Finding]:
    """Look at every asynchronous function."""
    for source in whole.sources.values():
        for function in source.functions:
            if isinstance(function, ast.AsyncFunctionDef):
                yield from _swallowed(source, function)


def _swallowed(source: Source, function: ast.AsyncFunctionDef) -> Iterator[Finding]:
    for node in _within(function):
        if isinstance(node, ast.Try | ast.TryStar) and _waits(node.body):
            caught = next((item for item in node.handlers if _catches(source, item.type)), None)
            if caught is not None and not any(isinstance(inner, ast.Raise) for inner in _all(caught.body)):
                yield Finding("HF603", f"{function.name} swallows cancellation here", source.place(caught))
        elif isinstance(node, ast.With) and _waits(node.body):
            for item in node.items:
                call = item.context_expr
                given = call.args if isinstance(call, ast.Call) else []
                suppresses = isinstance(call, ast.Call) and source.dotted(call.func).rpartition(".")[2] == "suppress"
                if suppresses and any(_catches(source, item) for item in given):
                    yield Finding("HF603", f"{function.name} swallows cancellation here", source.place(node))


def _catches(source: Source, caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_catches(source, item) for item in caught.elts)
    return caught is None or source.dotted(caught) in _CANCELLATION


def _waits(body: list[ast.stmt]) -> bool:
    """Whether a cancellation can arrive here: only where something is awaited."""
    return any(isinstance(node, _WAITS) for node in _all(body))


def _all(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        yield statement
        yield from _within(statement)


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """Everything beneath a node but what is in functions of its own."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _within(child)
