"""HF502 and HF503: secrets in the source, and secrets of the environment that nothing redacts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from holdfast.lint.finding import Finding
from holdfast.lint.source import Source
from holdfast.lint.subject import Whole
from holdfast.safe.secrets import SecretRegistry

_FORMLESS: Final = frozenset({"password", "credential", "authorization", "bearer-token"})
"""Rules that go by the name beside a value: in a source these are asked of assignments only, not of prose."""
_PLACEHOLDER: Final = re.compile(
    r"example|placeholder|change[-_ ]?me|your[-_ ]|dummy|sample|redacted|xxx|\.\.\.|canary"
    r"|^test|^file:|^enc:|^[A-Z_]+$|[<>{}$%\s]",
    re.I,
)
_LOOKS_RANDOM: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z])\S{8,}")
_SECRET_NAME: Final = re.compile(r"SECRET|PASSW|API_?KEY|TOKEN|PRIVATE_KEY|CREDENTIAL|ACCESS_KEY", re.I)
_ENVIRONMENT: Final = frozenset({"os.environ.get", "os.getenv", "os.environb.get"})


def find(whole: Whole) -> Iterator[Finding]:
    """Look at every literal, and at every look into the environment."""
    secrets = SecretRegistry()
    for source in whole.sources.values():
        yield from _literals(source, secrets)
        yield from _environment(source)


def _literals(source: Source, secrets: SecretRegistry) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str | bytes):
            continue
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        hits = set(secrets.redact(text).hits) - _FORMLESS
        name = _assigned(source, node)
        if not hits and name and _LOOKS_RANDOM.fullmatch(text) and _PLACEHOLDER.search(text) is None:
            hits = set(secrets.redact(f'{name} = "{text}"').hits) & _FORMLESS
        if hits:
            yield Finding("HF502", f"a secret stands in the source ({', '.join(sorted(hits))})", source.place(node))


def _assigned(source: Source, node: ast.AST) -> str:
    """The name that a literal is given, as a variable, an argument, a default or a key."""
    above = source.parents.get(node)
    if isinstance(above, ast.Assign) and isinstance(above.targets[0], ast.Name | ast.Attribute):
        target = above.targets[0]
        return target.id if isinstance(target, ast.Name) else target.attr
    if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name):
        return above.target.id
    if isinstance(above, ast.keyword):
        return above.arg or ""
    if isinstance(above, ast.Dict):
        for key, value in zip(above.keys, above.values, strict=True):
            if value is node and isinstance(key, ast.Constant) and isinstance(key.value, str):
                return key.value
    return ""


def _environment(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Subscript) and source.dotted(node.value) in ("os.environ", "os.environb"):
            wanted: ast.expr | None = node.slice
        elif isinstance(node, ast.Call) and source.dotted(node.func) in _ENVIRONMENT:
            wanted = node.args[0] if node.args else None
        else:
            continue
        name = wanted.value if isinstance(wanted, ast.Constant) else ""
        named = name.decode("latin-1") if isinstance(name, bytes) else str(name)
        if _SECRET_NAME.search(named) and not _is_told(source, node):
            yield Finding(
                "HF503", f"{named[:64]} is read from the environment and never registered", source.place(node)
            )


def _is_told(source: Source, node: ast.AST) -> bool:
    """Whether the value goes straight into ``ctx.secret(...)`` or ``SecretStr(...)``."""
    for above in source.enclosing(node):
        if isinstance(above, ast.Call):
            called = above.func.attr if isinstance(above.func, ast.Attribute) else source.dotted(above.func)
            if called.rpartition(".")[2] in ("secret", "SecretStr", "SecretValue"):
                return True
        if isinstance(above, ast.stmt):
            return False
    return False
