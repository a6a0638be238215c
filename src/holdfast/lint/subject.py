"""What is looked at: the server with its operations, each with its source, and the nodes of their schemas."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from holdfast.core.arguments import ModelArguments, trimmed
from holdfast.core.function import FunctionOperation
from holdfast.core.operation import Operation
from holdfast.errors import ConfigurationError
from holdfast.lint.finding import Place
from holdfast.lint.source import Function, Source
from holdfast.safe.handle import Handle

if TYPE_CHECKING:
    from holdfast.core.layers import Loaded
    from holdfast.server import Server

HANDLE = "x-holdfast-handle"
"""Marks the schema of a guard handle: it says ``string`` like any other."""
MAX_NODES = 5_000
"""Schema nodes of one operation that are looked at."""
MAX_FILES = 200
"""Files of one server that are looked at."""


class _Marking(GenerateJsonSchema):
    """Names the handle that stands behind a string."""

    def generate_inner(self, schema: Any) -> Any:
        found = super().generate_inner(schema)
        function = schema.get("function") if schema.get("type") == "function-plain" else None
        owner = getattr(function["function"], "__self__", None) if isinstance(function, dict) else None
        if isinstance(owner, type) and issubclass(owner, Handle):
            return {**found, HANDLE: owner.__name__}
        return found


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a schema: the argument that it belongs to, the name nearest to it, and its schema, resolved."""

    argument: str
    name: str
    schema: Mapping[str, Any]


@dataclass(eq=False)
class Subject:
    """One operation, and where it was written (``None`` for what has no source beneath the server's folder)."""

    operation: Operation
    source: Source | None
    function: Function | None
    owner: ast.ClassDef | None
    home: Place

    @property
    def label(self) -> str:
        """What messages call it."""
        name = getattr(self.operation, "uri", self.operation.name)
        return f"{self.operation.kind} {name}"

    @cached_property
    def place(self) -> Place:
        """The line of its function or class."""
        node = self.owner or self.function
        return self.home if node is None or self.source is None else self.source.header(node)

    def place_of(self, argument: str) -> Place:
        """The line of one argument; a suppression may also stand at the operation itself."""
        found = self._argument(argument)
        if found is None or self.source is None:
            return self.place
        at, whole = self.source.place(found), self.place
        return Place(at.file, at.line, at.column, min(at.first, whole.first), max(at.last, whole.last))

    def _argument(self, name: str) -> ast.AST | None:
        if self.owner is not None:
            fields = (node for node in ast.walk(self.owner) if isinstance(node, ast.AnnAssign))
            return next((n for n in fields if isinstance(n.target, ast.Name) and n.target.id == name), None)
        if self.function is None:
            return None
        words = self.function.args
        return next((arg for arg in (*words.posonlyargs, *words.args, *words.kwonlyargs) if arg.arg == name), None)

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The schema of the arguments, with every handle marked."""
        arguments = self.operation.arguments
        if isinstance(arguments, ModelArguments):
            return trimmed(arguments.model.model_json_schema(schema_generator=_Marking))
        return arguments.schema

    @cached_property
    def nodes(self) -> list[Node]:
        """Every value that a caller may send, at any depth."""
        found: list[Node] = []
        _walk(Node("", "", self.schema), self.schema.get("$defs", {}), found, ())
        return found

    @cached_property
    def texts(self) -> set[str]:
        """Names of the arguments through which text comes in that no handle guards."""
        return {node.argument for node in self.nodes if node.argument and _is_text(node.schema)}

    @property
    def models(self) -> Mapping[str, Any]:
        """The fields of a class's ``Input`` by name."""
        model = getattr(self.operation.arguments, "model", None)
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        return {(info.alias or name): name for name, info in fields.items()}


def _is_text(schema: Mapping[str, Any]) -> bool:
    if HANDLE in schema or "enum" in schema or "const" in schema:
        return False
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return "string" in kinds or is_free(schema)


def is_free(schema: Mapping[str, Any]) -> bool:
    """Whether a schema takes anything at all, or an object of anything."""
    told = {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "not", "properties", "items", HANDLE}
    if not told & set(schema):
        return True
    if schema.get("type") != "object" or schema.get("properties") or schema.get("patternProperties"):
        return False
    return schema.get("additionalProperties", True) in (True, {})


def _walk(node: Node, shared: Mapping[str, Any], found: list[Node], opened: tuple[str, ...]) -> None:
    schema = node.schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.rpartition("/")[2]
        if name in opened or name not in shared:
            return
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema, opened = {**shared[name], **rest}, (*opened, name)
    if len(found) >= MAX_NODES:
        return
    found.append(Node(node.argument, node.name, schema))
    if HANDLE not in schema:
        for below in _below(node, schema):
            _walk(below, shared, found, opened)


_ONE: Final = ("items", "additionalProperties", "contains", "propertyNames")
_SEVERAL: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def _below(node: Node, schema: Mapping[str, Any]) -> Iterator[Node]:
    for name, inner in schema.get("properties", {}).items():
        if isinstance(inner, Mapping):
            yield Node(node.argument or name, name, inner)
    said = {"description": schema["description"]} if "description" in schema else {}
    inside = [schema.get(key) for key in _ONE] + list(schema.get("patternProperties", {}).values())
    inside += [{**said, **inner} for key in _SEVERAL for inner in schema.get(key, ()) if isinstance(inner, Mapping)]
    yield from (Node(node.argument, node.name, inner) for inner in inside if isinstance(inner, Mapping))


@dataclass(eq=False)
class Whole:
    """A server under the glass: what it offers, its settings, and every file of its own that takes part."""

    server: Server
    loaded: Loaded
    file: Path
    subjects: list[Subject] = field(default_factory=list)
    sources: dict[Path, Source] = field(default_factory=dict)

    @classmethod
    def of(cls, server: Server, loaded: Loaded, file: Path) -> Whole:
        """Read the sources. Raises ``ConfigurationError`` for those that cannot be looked at."""
        whole = cls(server, loaded, file)
        whole._source(file)
        for operation in server.whole():
            whole.subjects.append(whole._subject(operation))
        return whole

    @cached_property
    def home(self) -> Place:
        """Where the server is made."""
        source = self.sources[self.file]
        for name, call in source.calls():
            if name.rpartition(".")[2] == "Server":
                return source.place(call)
        return Place(self.file)

    def _subject(self, operation: Operation) -> Subject:
        code = getattr(_bare(operation.work()), "__code__", None)
        source = self._source(Path(code.co_filename)) if code is not None else None
        function = source.function_at(code) if source is not None and code is not None else None
        owner = None
        if source is not None and function is not None and not isinstance(operation, FunctionOperation):
            owner = next((node for node in source.enclosing(function) if isinstance(node, ast.ClassDef)), None)
        elif not isinstance(operation, FunctionOperation):
            source, owner = self._class(type(operation))
        return Subject(operation, source, function, owner, self.home)

    def _class(self, kind: type) -> tuple[Source | None, ast.ClassDef | None]:
        """A class whose ``run`` comes from elsewhere."""
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        source = self._source(Path(file)) if file else None
        nodes = ast.walk(source.tree) if source is not None else ()
        found = (node for node in nodes if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
        return source, next(found, None)

    def _source(self, file: Path) -> Source | None:
        """The file's source, if it is one of the author's."""
        file = file.resolve()
        if file not in self.sources:
            if not self._is_own(file) or len(self.sources) >= MAX_FILES:
                return None
            self.sources[file] = Source.read(file)
        return self.sources[file]

    def _is_own(self, file: Path) -> bool:
        if file == self.file:
            return True
        parts = file.parts
        if not file.is_file() or "site-packages" in parts or "dist-packages" in parts:
            return False
        return file.is_relative_to(_root(self.file))


def _root(file: Path) -> Path:
    """The folder above the outermost package that a file is in."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def _bare(work: Any) -> Any:
    """The author's own function beneath partials, methods and decorators that say what they wrap."""
    for _ in range(32):
        if isinstance(work, partial):
            work = work.func
        elif inspect.ismethod(work):
            work = work.__func__
        elif hasattr(work, "__wrapped__"):
            work = work.__wrapped__
        else:
            return work
    raise ConfigurationError("a function is wrapped more than 32 times")
