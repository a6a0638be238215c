"""An author's file as text, syntax tree and comments, and the names that its imports give to things."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import CodeType

from holdfast.errors import ConfigurationError
from holdfast.lint.finding import Place

Function = ast.FunctionDef | ast.AsyncFunctionDef
MAX_BYTES = 8 * 1024 * 1024
"""A Python file that is larger is generated, and takes minutes to look at."""


@dataclass(eq=False)
class Source:
    """One file. ``parent`` gives the class or function that a node stands in."""

    file: Path
    text: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Source:
        """Read and parse. Raises ``ConfigurationError`` for what cannot be looked at."""
        try:
            raw = file.read_bytes()
            if len(raw) > MAX_BYTES:
                raise ConfigurationError(f"{file.name} is larger than {MAX_BYTES} bytes; it was not looked at")
            encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
            text = raw.decode(encoding)
            tree = ast.parse(raw, str(file))
        except OSError as error:
            raise ConfigurationError(f"{file.name} cannot be read: {error.strerror}") from None
        except (SyntaxError, ValueError, RecursionError, LookupError):
            raise ConfigurationError(f"{file.name} is not Python that can be parsed") from None
        found = cls(file, text, tree)
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                found.parents[child] = node
        return found

    @cached_property
    def comments(self) -> dict[int, tuple[str, bool]]:
        """Line -> comment, and whether it stands alone there; as the tokenizer sees it, so not inside strings."""
        found: dict[int, tuple[str, bool]] = {}
        lines = self.text.splitlines()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                found[row] = (token.string, row <= len(lines) and not lines[row - 1][:column].strip())
        return found

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, in the order of the file."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return sorted(found, key=lambda node: node.lineno)

    @cached_property
    def names(self) -> dict[str, str]:
        """What an imported name stands for: ``sp`` -> ``subprocess``, ``join`` -> ``os.path.join``."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found | self._renamed(found)

    def _renamed(self, imported: dict[str, str]) -> dict[str, str]:
        """``run = subprocess.run`` is an import by another name."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                parts = _dotted(node.value).split(".")
                if parts[0] in imported:
                    found[node.targets[0].id] = ".".join([imported[parts[0]], *parts[1:]])
        return found

    def dotted(self, node: ast.AST) -> str:
        """``sp.run`` -> ``subprocess.run``; empty for what is not a name."""
        first, dot, rest = _dotted(node).partition(".")
        return self.names.get(first, first) + dot + rest

    def calls(self, within: ast.AST | None = None) -> Iterator[tuple[str, ast.Call]]:
        """Every call with its dotted name."""
        for node in ast.walk(within or self.tree):
            if isinstance(node, ast.Call):
                yield self.dotted(node.func), node

    def place(self, node: ast.AST) -> Place:
        """Where a node begins; a suppression may stand on any of its first and last lines."""
        line: int = getattr(node, "lineno", 1)
        column: int = getattr(node, "col_offset", 0)
        raw = self.text.splitlines()[line - 1 : line]
        shown = len(raw[0].encode()[:column].decode("utf-8", "ignore")) if raw else 0
        last = getattr(node, "end_lineno", None) or line
        return Place(self.file, line, shown + 1, line, last if isinstance(node, ast.expr | ast.arg) else line)

    def header(self, node: Function | ast.ClassDef) -> Place:
        """The line of ``def`` or ``class``; a suppression counts from the first decorator to the end of the header."""
        first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
        last = max(node.lineno, node.body[0].lineno - 1)
        found = self.place(node)
        return Place(self.file, found.line, found.column, first, last)

    def function_at(self, code: CodeType) -> Function | None:
        """The function that was compiled to ``code``."""
        for node in self.functions:
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            if node.name == code.co_name and first <= code.co_firstlineno <= node.lineno:
                return node
        return None

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, from the inside out."""
        while (above := self.parents.get(node)) is not None:
            yield above
            node = above


def _dotted(node: ast.AST) -> str:
    """The name as it is written; ``getattr(os, "system")`` is one too."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    if not isinstance(node, ast.Call) or len(node.args) < 2 or _dotted(node.func) != "getattr":
        return ""
    base, name = _dotted(node.args[0]), node.args[1]
    return f"{base}.{name.value}" if base and isinstance(name, ast.Constant) and isinstance(name.value, str) else ""
