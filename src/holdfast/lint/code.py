"""HF601, HF602 and HF604 to HF607: what code in a server should not do, whoever's text it works on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from holdfast.lint.finding import Finding
from holdfast.lint.source import Function, Source
from holdfast.lint.subject import Whole


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BLOCKING: Final = _words(
    """
    time.sleep subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.getoutput
    subprocess.getstatusoutput os.system os.popen os.wait os.waitpid urllib.request.urlopen urllib.request.urlretrieve
    socket.create_connection socket.getaddrinfo socket.gethostbyname sqlite3.connect shutil.rmtree shutil.copytree
    shutil.make_archive shutil.unpack_archive input
    """
)
_BLOCKING_LIBRARIES: Final = frozenset({"requests"})
_HTTPX: Final = _words("httpx.get httpx.post httpx.put httpx.delete httpx.patch httpx.head httpx.request")
_SHELLS: Final = frozenset({"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"})
_ASYNC_SHELLS: Final = frozenset({"asyncio.create_subprocess_shell", "asyncio.subprocess.create_subprocess_shell"})
_UNVERIFIED: Final = frozenset({"ssl._create_unverified_context", "ssl._create_stdlib_context"})
_ENDS: Final = frozenset({"os._exit", "os.abort", "sys.exit", "exit", "quit"})
_CHANGES: Final = _words(
    "append extend insert remove pop popitem clear update setdefault add discard appendleft popleft sort reverse"
)
_KEPT: Final = _words(
    "list dict set bytearray deque defaultdict OrderedDict Counter collections.deque collections.defaultdict "
    "collections.OrderedDict collections.Counter"
)


def find(whole: Whole) -> Iterator[Finding]:
    """Look at every call of every file, and at what tools change."""
    for source in whole.sources.values():
        for name, call in source.calls():
            for code, message in _judged(source, name, call):
                yield Finding(code, message, source.place(call))
        yield from _assigned(source)
    for subject in whole.subjects:
        if subject.source is not None and subject.function is not None:
            yield from _shared(subject.label, subject.source, subject.function)


def _judged(source: Source, name: str, call: ast.Call) -> Iterator[tuple[str, str]]:
    given = {word.arg: word.value for word in call.keywords}
    raw = name == "os.write" and bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 1
    if (raw or _prints(source, name, given)) and not _is_script(source, call):
        yield "HF601", f"{name} writes on standard output"
    if _blocks(name) and isinstance(_around(source, call), ast.AsyncFunctionDef):
        yield "HF602", f"{name} blocks the event loop"
    if name in _SHELLS | _ASYNC_SHELLS or _is(given.get("shell"), True):
        yield "HF605", f"{name or 'a call'} goes through a shell"
    if _is(given.get("verify"), False) or _is(given.get("verify_ssl"), False) or name in _UNVERIFIED:
        yield "HF606", f"{name or 'a call'} does not verify the other side"
    if _is(given.get("ssl"), False) and name.startswith(("aiohttp.", "client.", "session.")):
        yield "HF606", f"{name} does not verify the other side"
    if name in _ENDS and _around(source, call) is not None and not _is_script(source, call):
        yield "HF607", f"{name} ends the process"


def _prints(source: Source, name: str, given: dict[str | None, ast.expr]) -> bool:
    if name in ("sys.stdout.write", "sys.stdout.writelines", "sys.stdout.buffer.write", "pprint.pprint", "pprint.pp"):
        return "stream" not in given
    return name == "print" and ("file" not in given or source.dotted(given["file"]) in ("sys.stdout", "sys.__stdout__"))


def _blocks(name: str) -> bool:
    return name in _BLOCKING or name in _HTTPX or (name.partition(".")[0] in _BLOCKING_LIBRARIES and "." in name)


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _around(source: Source, node: ast.AST) -> ast.AST | None:
    """The innermost function that a node stands in."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return next((above for above in source.enclosing(node) if isinstance(above, functions)), None)


def _is_script(source: Source, node: ast.AST) -> bool:
    """Whether a node is run only when the file is started as a script, or beneath a function called ``main``."""
    for above in source.enclosing(node):
        if isinstance(above, ast.If) and "__main__" in ast.dump(above.test):
            return True
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef) and above.name == "main":
            return True
    return False


def _assigned(source: Source) -> Iterator[Finding]:
    """``context.verify_mode = ssl.CERT_NONE``, ``context.check_hostname = False``, ``sys.stdout`` kept for later."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Assign):
            continue
        names = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
        unverified = "verify_mode" in names and source.dotted(node.value).endswith("CERT_NONE")
        if unverified or ("check_hostname" in names and _is(node.value, False)):
            yield Finding("HF606", "a TLS context does not verify the other side", source.place(node))


def _shared(label: str, source: Source, function: Function) -> Iterator[Finding]:
    kept = _kept(source)
    local = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    told: set[str] = set()
    for node in ast.walk(function):
        for name in _changed(node):
            is_global = isinstance(node, ast.Global) or (name in kept and name not in local)
            if is_global and name not in told:
                told.add(name)
                yield Finding("HF604", f"{label} changes {name}, which all callers share", source.place(node))


def _kept(source: Source) -> set[str]:
    """Module-level names of lists, dictionaries and sets."""
    found: set[str] = set()
    for node in source.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            value = node.value
            made = isinstance(value, ast.Call) and source.dotted(value.func) in _KEPT
            if made or isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _changed(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Global):
        yield from node.names
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
        if isinstance(node.func.value, ast.Name):
            yield node.func.value.id
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
        targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        for target in targets:
            if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                yield target.value.id
