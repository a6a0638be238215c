"""The house's own rules, held by reading the source: size, names, comments, imports, locks and generated files."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = [
    "requirements.lock",
    ".ci/lock/tool.lock",
    ".ci/judges/clients/fastmcp.lock",
    ".ci/security/tools.lock",
    ".ci/fuzz/fuzz.lock",
    ".ci/peers/pypi.lock",
]

# Distributions whose import name is not their own name with underscores.
IMPORTED_AS = {"google-re2": "re2", "python-dotenv": "dotenv", "opentelemetry-sdk": "opentelemetry", "pyjwt": "jwt"}
# Published halves of a declared library, pinned by it to one exact version.
HALVES = {"pydantic_core": "pydantic", "mcp_types": "mcp"}
# What the SDK's own documentation shows; everything else of it may move with a minor release.
DOCUMENTED = (
    "mcp.client",
    "mcp.server.auth",
    "mcp.server.streamable_http",
    "mcp.server.subscriptions",
    "mcp.server.transport_security",
    "mcp.shared.exceptions",
)
# `opentelemetry` is the API, which comes with the SDK of the protocol; only its SDK is an extra.
EXTRA_ONLY = ["typer", "rich", "sqlglot", "redis", "opentelemetry.sdk", "hypothesis"]


@cache
def modules(*folders: str) -> tuple[Path, ...]:
    """Every Python file beneath the named folders; templates are data, not code of this house."""
    found = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return tuple(path for path in found if "templates" not in path.parts and "__pycache__" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def place(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


@cache
def comments(path: Path) -> dict[int, str]:
    """Line number -> comment, as the tokenizer sees it, so that text inside strings does not count."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def marked(path: Path, marks: re.Pattern[str]) -> Iterator[tuple[int, str, re.Match[str]]]:
    """Comments in which ``marks`` is found, with their lines. The tokenizer is slow: it reads no file without any."""
    if marks.search(path.read_text(encoding="utf-8")):
        for line, text in comments(path).items():
            if mark := marks.search(text):
                yield line, text, mark


def opening(path: Path) -> str:
    """A module's docstring, without reading the rest of it."""
    with path.open(encoding="utf-8") as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.STRING:
                return str(ast.literal_eval(token.string))
            if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE):
                break
    return ""


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {
        place(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules("src", "examples", "benchmarks", ".ci")
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_function_is_longer_than_40_lines_without_its_docstring() -> None:
    long = []
    for path in modules("src"):
        for function in functions(path):
            docstring = ast.get_docstring(function, clean=False)
            length = (function.end_lineno or 0) - function.lineno + 1 - (len(docstring.split("\n")) if docstring else 0)
            if length > 40:
                long.append(f"{place(path, function.lineno)} {function.name}: {length} lines")
    assert long == []


def test_line_one_of_every_module_says_what_it_is_for() -> None:
    silent = []
    for path in modules("src", "tests", "examples", "benchmarks", ".ci"):
        docstring = opening(path)
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        if not docstring or not first.startswith(('"""', 'r"""', "#!")):
            silent.append(place(path))
        elif not re.search(r"[.:]$", docstring.split("\n\n", 1)[0].strip()):
            silent.append(f"{place(path)} (not a sentence)")
    assert silent == []


def test_a_broad_except_says_why_beside_it() -> None:
    bare = []
    for path in modules("src"):
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler) and is_broad(node.type) and not passes_on(node):
                near = (node.lineno - 1, node.lineno, node.lineno + 1)
                if not any(line in comments(path) for line in near):
                    bare.append(place(path, node.lineno))
    assert bare == []


def is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(is_broad(each) for each in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"})


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether the handler ends by raising the same exception again: it cleans up and hides nothing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    left = [
        place(path, line)
        for path in modules("src", "tests", "examples", "benchmarks", ".ci")
        for line, _, _ in marked(path, marks)
    ]
    for path in modules("src", "examples"):
        raised = (node.exc for node in nodes(path) if isinstance(node, ast.Raise))
        names = (getattr(exc, "func", exc) for exc in raised if exc is not None)
        left += [place(path, name.lineno) for name in names if getattr(name, "id", "") == "NotImplementedError"]
    assert left == []


def test_every_exception_to_a_rule_carries_its_reason() -> None:
    # The reason is at least one word of three letters after the mark and its codes.
    marks = re.compile(r"#\s*(pragma: no (?:cover|branch)|noqa(?::[\sA-Z0-9,]+)?|nosec(?:[\sB0-9,]+)?)(.*)")
    bare = []
    for path in modules("src", "tests", "examples", "benchmarks", ".ci"):
        for line, text, mark in marked(path, marks):
            if not re.search(r"[A-Za-z]{3}", mark.group(2)):
                bare.append(f"{place(path, line)} {text}")
    assert bare == []


def test_init_files_hold_exports_only() -> None:
    # The guards' order is the one exception: it is read there by people who add a guard.
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr, ast.If)
    work = []
    for path in modules("src"):
        if path.name != "__init__.py" or path.parent.name == "guards":
            continue
        for node in tree(path).body:
            lazy_export = isinstance(node, ast.FunctionDef) and node.name in {"__getattr__", "__dir__"}  # PEP 562
            if not isinstance(node, allowed) and not lazy_export:
                work.append(place(path, node.lineno))
    assert work == []


def test_no_module_keeps_state_that_changes() -> None:
    mutable = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
    makers = {
        "dict",
        "list",
        "set",
        "bytearray",
        "deque",
        "defaultdict",
        "OrderedDict",
        "Counter",
        "WeakValueDictionary",
    }
    kept = []
    for path in modules("src"):
        kept += [place(path, node.lineno) for node in nodes(path) if isinstance(node, ast.Global)]
        for node in tree(path).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            made = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") in makers
            # A table in capitals is a constant by convention; `__all__` and its like belong to the language.
            if (made or isinstance(node.value, mutable)) and not all(
                re.fullmatch(r"_?[A-Z0-9_]+|__\w+__", n) for n in names
            ):
                kept.append(f"{place(path, node.lineno)} {', '.join(names)}")
    assert kept == []


def test_names_are_the_fields_nouns() -> None:
    vague = re.compile(r"(Manager|Helper|Helpers|Util|Utils|Service)$")
    named = [
        f"{place(path, node.lineno)} {node.name}"
        for path in modules("src")
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and vague.search(node.name)
    ]
    named += [place(path) for path in modules("src") if re.search(r"(manager|helpers?|utils?|service)$", path.stem)]
    assert named == []


def test_no_room_goes_through_the_front_door() -> None:
    # `from holdfast import X` loads whatever room holds X and hides it from the floors' contract.
    through = [
        place(path, node.lineno)
        for path in modules("src/holdfast")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == "holdfast" and not node.level
        if path.parent != SOURCE / "holdfast" / "testing"  # aids for authors use what authors use
        if any(not is_module(f"holdfast/{alias.name}") for alias in node.names)
    ]
    assert through == []


def is_module(name: str) -> bool:
    return (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file()


def test_only_the_adapter_in_wire_uses_names_that_the_sdk_does_not_document() -> None:
    undocumented = [
        f"{place(path, node.lineno)} {node.module}"
        for path in modules("src")
        if path.parent != SOURCE / "holdfast" / "wire" or not path.name.startswith("sdk")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("mcp.")
        if not any(f"{node.module}.".startswith(f"{known}.") for known in DOCUMENTED)
    ]
    assert undocumented == []


def test_no_more_than_thirty_public_names() -> None:
    assert len(import_module("holdfast").__all__) <= 30


def declared() -> dict[str, Requirement]:
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    return {canonicalize_name(need.name): need for need in map(Requirement, lines) if need.name != "holdfast"}


def imported(path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node.lineno


def test_every_library_that_is_imported_is_declared() -> None:
    # A library that only comes along with another one may leave with its next release.
    own = {"holdfast", "holdfast_attack", "pytest"}  # pytest runs the plugin in testing/, so it is there
    known = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in declared()} | own | HALVES.keys()
    known |= set(sys.stdlib_module_names)
    strangers = [
        f"{place(path, line)} {name}" for path in modules("src") for name, line in imported(path) if name not in known
    ]
    assert strangers == []


def test_every_declared_library_of_the_base_is_imported() -> None:
    used = {name for path in modules("src") for name, _ in imported(path)}
    base = [canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]]
    assert [name for name in base if IMPORTED_AS.get(name, name.replace("-", "_")) not in used] == []


def test_a_server_is_built_without_any_extra_installed() -> None:
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {EXTRA_ONLY!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Absent())
from holdfast import Server

server = Server("plain")

@server.tool
async def greet(name: str) -> str:
    "Greet somebody."
    return "hello " + name
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = ["mcp", "pydantic", "starlette", "uvicorn", "cryptography", "prometheus_client", "sqlglot", "structlog"]
    code = f"import sys, holdfast; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_version_stands_in_one_place() -> None:
    literal = re.compile(r"""(?mi)^_*version_*\s*(?::\s*\w+\s*)?=\s*["']\d""")
    assert [place(path) for path in modules("src") if literal.search(path.read_text(encoding="utf-8"))] == []


def test_the_example_environment_file_is_the_generated_one() -> None:
    generated = import_module("holdfast.core.envfile").env_example()
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == generated, "run: make env-example"


def pins(lock: str) -> dict[str, str]:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line) for line in lines)
    return {canonicalize_name(match.group(1)): match.group(2) for match in found if match}


def test_every_locked_package_has_hashes_and_no_address() -> None:
    for lock in LOCKS:
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "://" not in text, lock
        assert "file:" not in text, lock
        assert "--index" not in text, lock
        for entry in re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", text).strip()):
            assert re.match(r"[A-Za-z0-9._-]+==\S+", entry), f"{lock}: {entry[:60]}"
            assert "--hash=sha256:" in entry, f"{lock}: {entry[:60]}"


def test_the_lock_fits_what_the_project_declares() -> None:
    locked = pins("requirements.lock")
    development = {canonicalize_name(need.name): need for need in map(Requirement, PROJECT["dependency-groups"]["dev"])}
    unfit = [
        f"{name}: wants {need.specifier}, locked {locked.get(name)}"
        for name, need in {**development, **declared()}.items()
        if name not in locked or not need.specifier.contains(locked[name], prereleases=True)
    ]
    assert unfit == [], "run: make lock"


def test_the_judges_packages_are_locked_without_addresses() -> None:
    for lock in sorted((ROOT / ".ci").glob("*/*/package-lock.json")):
        text = lock.read_text(encoding="utf-8")
        assert '"resolved"' not in text, place(lock)
        assert '"integrity"' in text, place(lock)


def test_every_path_that_the_security_notes_name_exists() -> None:
    named = re.compile(r"`((?:src|tests|security|examples)/[\w./-]+)`")
    missing = [
        f"{note.name}: {path}"
        for note in [*sorted((ROOT / "security").glob("*.md")), ROOT / "SECURITY.md"]
        for path in named.findall(note.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []
