"""Which expressions hold a caller's text, and where such text arrives in a call."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from holdfast.lint import sinks
from holdfast.lint.source import Function, Source

Called = Callable[[ast.Call], "bool | None"]
_KEEPS: Final = frozenset(
    word
    for line in (
        "str bytes repr format list tuple set sorted reversed dict iter next map filter zip enumerate min max",
        "vars copy.copy copy.deepcopy json.dumps json.loads typing.cast os.path.join os.path.abspath",
        "os.path.realpath os.path.normpath os.path.expanduser os.path.expandvars os.path.dirname os.fspath",
        "os.fsencode os.fsdecode posixpath.join pathlib.Path pathlib.PurePath pathlib.PurePosixPath",
        "urllib.parse.urljoin urllib.parse.unquote shlex.split shlex.join textwrap.dedent",
        "urllib.parse.urlparse urllib.parse.urlsplit base64.b64decode html.unescape urllib.request.Request",
        "functools.partial",
    )
    for word in line.split()
)
"""Functions whose answer holds what they were given; of others nobody knows, and nothing is said."""
_LOSES: Final = frozenset(
    {
        "isdigit",
        "isalpha",
        "isalnum",
        "isidentifier",
        "startswith",
        "endswith",
        "count",
        "find",
        "index",
        "bit_length",
        "is_file",
    }
)
"""Methods whose answer is no text."""


@dataclass(eq=False)
class Values:
    """The names that hold a caller's text: ``names``, and ``fields`` of the object of arguments."""

    source: Source
    names: set[str] = field(default_factory=set)
    fields: set[tuple[str, str]] = field(default_factory=set)
    clients: set[str] = field(default_factory=set)
    hosted: set[str] = field(default_factory=set)
    """Names of URLs whose host the author wrote."""

    def __post_init__(self) -> None:
        for node in self.source.tree.body:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self.note_client(target, node.value)

    def note_client(self, target: ast.expr, value: ast.expr) -> None:
        """Remember a name that holds an HTTP client."""
        made = value.func if isinstance(value, ast.Call) else value
        if isinstance(target, ast.Name) and self.source.dotted(made) in sinks.CLIENTS:
            self.clients.add(target.id)

    def note_host(self, target: ast.expr, value: ast.expr, tainted: bool) -> None:
        """Remember a URL made of a caller's text beneath a host of the author's."""
        if isinstance(target, ast.Name):
            if tainted and sinks.has_fixed_host(value):
                self.hosted.add(target.id)
            else:
                self.hosted.discard(target.id)

    def forget(self, node: ast.expr) -> None:
        """A value that was compared with a list of the author's is the author's."""
        if isinstance(node, ast.Name):
            self.names.discard(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            self.fields.discard((node.value.id, node.attr))

    def taints(self, node: ast.expr | None, called: Called) -> bool:
        """Whether an expression holds a caller's text."""
        if isinstance(node, ast.Name):
            return node.id in self.names
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return (node.value.id, node.attr) in self.fields or node.value.id in self.names
        if isinstance(node, ast.Call):
            return self._answers(node, called)
        return any(self.taints(child, called) for child in _parts(node))

    def _answers(self, call: ast.Call, called: Called) -> bool:
        known = called(call)
        if known is not None:
            return known
        name = self.source.dotted(call.func)
        given = [*call.args, *(word.value for word in call.keywords)]
        if isinstance(call.func, ast.Attribute) and call.func.attr not in _LOSES:
            if self.taints(call.func.value, called):
                return True
            if call.func.attr in ("format", "join", "joinpath") and any(self.taints(item, called) for item in given):
                return True
        return name in _KEEPS and any(self.taints(item, called) for item in given)

    def direct(self, call: ast.Call) -> ast.Call:
        """``asyncio.to_thread(open, x)`` is ``open(x)``."""
        name = self.source.dotted(call.func)
        at = sinks.INDIRECT.get(name)
        if at is None and isinstance(call.func, ast.Attribute):
            at = {"run_in_executor": 1, "submit": 0}.get(call.func.attr)
        if at is None or len(call.args) <= at:
            return call
        inner = ast.Call(func=call.args[at], args=call.args[at + 1 :], keywords=call.keywords)
        return ast.copy_location(inner, call)

    def arrivals(self, call: ast.Call, called: Called) -> Iterator[tuple[str, str, ast.expr]]:
        """Each place of a call where a caller's text arrives: the code, what it becomes, and where."""
        direct = self.direct(call)
        name = self.source.dotted(direct.func)
        if name.startswith("yaml.load") and sinks.is_safe_loader(self.source, direct):
            return
        for code, item in (*sinks.judged(self.source, direct, name), *self._fetched(direct)):
            if self.taints(item, called):
                code = self._gentler(code, item)
                yield code, sinks.WORDS[code], call
                return
        method = direct.func.attr if isinstance(direct.func, ast.Attribute) else ""
        if method in sinks.PATH_METHODS and self.taints(direct.func, called):
            yield "HF110", sinks.WORDS["HF110"], call

    def _fetched(self, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
        """What a client that the tool holds is asked to fetch."""
        if not isinstance(call.func, ast.Attribute):
            return
        owner, method = call.func.value, call.func.attr
        made = self.source.dotted(owner.func) if isinstance(owner, ast.Call) else ""
        if (isinstance(owner, ast.Name) and owner.id in self.clients) or made in sinks.CLIENTS:
            at = sinks.CLIENT_METHODS.get(method)
            if at is not None:
                yield from (("HF111", item) for item in call.args[at : at + 1])
                yield from (("HF111", word.value) for word in call.keywords if word.arg == "url")

    def _gentler(self, code: str, item: ast.expr) -> str:
        hosted = sinks.has_fixed_host(item) or (isinstance(item, ast.Name) and item.id in self.hosted)
        return "HF117" if code == "HF111" and hosted else code

    def makes_path(self, node: ast.BinOp, called: Called) -> bool:
        """``Path("/srv") / name``"""
        left = node.left
        made = self.source.dotted(left.func) if isinstance(left, ast.Call) else ""
        return isinstance(node.op, ast.Div) and made == "pathlib.Path" and self.taints(node.right, called)

    def handed(self, function: Function, call: ast.Call, called: Called) -> tuple[set[str], set[tuple[str, str]]]:
        """What a called function of the file gets: its parameters that hold a caller's text, and their fields."""
        words = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
        if words[:1] == ["self"]:
            words = words[1:]
        pairs = [*zip(words, call.args, strict=False), *((word.arg, word.value) for word in call.keywords if word.arg)]
        if function.args.vararg is not None:
            pairs += [(function.args.vararg.arg, item) for item in call.args[len(words) :]]
        names = {name for name, item in pairs if self.taints(item, called)}
        objects = {item.id: name for name, item in pairs if isinstance(item, ast.Name)}
        return names, {(objects[owner], name) for owner, name in self.fields if owner in objects}


def _parts(node: ast.expr | None) -> Iterator[ast.expr]:
    """The expressions whose text is in the answer of ``node``; a comparison, for one, has none."""
    if isinstance(node, ast.Attribute | ast.Subscript):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif node is not None and not isinstance(node, ast.Compare | ast.Lambda | ast.UnaryOp):
        yield from (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
