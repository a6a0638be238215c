"""HF301 to HF307: facts that are missing, contradict each other, or are denied by the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from holdfast.lint.finding import Finding, Place
from holdfast.lint.source import Source
from holdfast.lint.subject import HANDLE, Subject, Whole

_FACTS = frozenset({"read_only", "idempotent", "destructive"})
_RETRIES = frozenset({"retry", "retrying", "on_exception", "on_predicate", "async_retry"})
"""The last words of decorators of tenacity, stamina, backoff, retrying and their like."""
_WRITES = frozenset(
    {
        "write_text", "write_bytes", "append_text", "append_bytes", "unlink", "rmdir", "mkdir", "rename", "touch",
        "os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir", "os.makedirs", "os.mkdir", "os.truncate",
        "shutil.rmtree", "shutil.move", "shutil.copy", "shutil.copyfile", "shutil.copytree",
    }
)  # fmt: skip
_METHODS = frozenset(name for name in _WRITES if "." not in name)
_REPEATS = frozenset({"append_text", "append_bytes", "post"})
_IDS = frozenset({"uuid.uuid1", "uuid.uuid4", "secrets.token_hex", "secrets.token_urlsafe", "secrets.token_bytes"})


def find(whole: Whole) -> Iterator[Finding]:
    """Look at every tool's facts and at its code."""
    for subject in whole.subjects:
        if subject.operation.kind == "tool":
            yield from _stated(subject)
            yield from _contradicted(subject)
        yield from _repeated(subject)


def _stated(subject: Subject) -> Iterator[Finding]:
    tool = subject.operation
    if not (tool.read_only or tool.idempotent or tool.destructive is not None or _says(subject)):
        yield Finding("HF301", f"{subject.label} does not say whether it changes things", subject.place)
    if tool.destructive and not tool.scopes:
        yield Finding("HF307", f"{subject.label} destroys, and every principal may call it", subject.place)


def _says(subject: Subject) -> bool:
    """Whether a fact is written down, even if it is the default (``read_only=False``)."""
    if subject.owner is not None:
        return any(
            isinstance(target, ast.Name) and target.id in _FACTS
            for node in subject.owner.body
            for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        )
    decorators = subject.function.decorator_list if subject.function is not None else []
    return any(isinstance(call, ast.Call) and any(word.arg in _FACTS for word in call.keywords) for call in decorators)


def _contradicted(subject: Subject) -> Iterator[Finding]:
    tool = subject.operation
    if tool.read_only and tool.destructive:
        yield Finding("HF304", f"{subject.label} is read_only and destructive", subject.place)
    if tool.cacheable and not tool.read_only:
        yield Finding("HF305", f"{subject.label} is cacheable and not read_only", subject.place)
    if not tool.read_only:
        return
    taken = next((node for node in subject.nodes if node.schema.get(HANDLE) == "WritePath"), None)
    if taken is not None:
        message = f"{subject.label} is read_only and takes a WritePath: {taken.argument}"
        yield Finding("HF306", message, subject.place_of(taken.argument))
        return
    for what, place in _writing(subject):
        yield Finding("HF306", f"{subject.label} is read_only and calls {what}", place)


def _writing(subject: Subject) -> Iterator[tuple[str, Place]]:
    if subject.source is None or subject.function is None:
        return
    for name, call in subject.source.calls(subject.function):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in _WRITES or method in _METHODS:
            yield name or method, subject.source.place(call)
        elif name in ("open", "io.open") and any(letter in _mode(call) for letter in "wax+"):
            yield "open for writing", subject.source.place(call)


def _mode(call: ast.Call) -> str:
    given = [word.value for word in call.keywords if word.arg == "mode"] or call.args[1:2]
    found = given[0] if given else None
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else ""


def _repeated(subject: Subject) -> Iterator[Finding]:
    tool, source, function = subject.operation, subject.source, subject.function
    if source is None or function is None or tool.kind != "tool":
        return
    if tool.read_only or tool.idempotent:
        if tool.idempotent and not tool.read_only:
            for what, place in _unrepeatable(source, function):
                yield Finding("HF302", f"{subject.label} is idempotent and {what}", place)
        return
    for decorator in function.decorator_list:
        name = source.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if name.rpartition(".")[2].lower() in _RETRIES:
            yield Finding("HF303", f"{subject.label} is not repeatable and retries by itself", source.place(decorator))


def _unrepeatable(source: Source, function: ast.AST) -> Iterator[tuple[str, Place]]:
    for name, call in source.calls(function):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if method in _REPEATS or name in _IDS:
            yield f"calls {name or method}", source.place(call)
        elif name in ("open", "io.open") and "a" in _mode(call):
            yield "opens a file to append", source.place(call)
        elif method in ("execute", "executemany") and _inserts(call):
            yield "inserts rows", source.place(call)


def _inserts(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    text = first.value.upper() if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    return "INSERT INTO" in text and not any(word in text for word in ("ON CONFLICT", "ON DUPLICATE"))
