"""Where operations were written, and which files are looked at: the author's own, and nobody else's."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from support.linting import codes

from holdfast.errors import ConfigurationError
from holdfast.lint import source as module
from holdfast.lint.examine import examine
from holdfast.lint.source import Source
from holdfast.lint.subject import Whole

Load = Callable[..., Whole]


def test_tools_in_another_file_of_the_project_are_looked_at_there(whole: Load, tmp_path: Path) -> None:
    (tmp_path / "parts_of_case.py").write_text(
        'from holdfast import Server\n\nchild = Server("child")\n\n\n@child.tool\n'
        'async def it(path: str) -> str:\n    """Do a thing."""\n'
        "    return open(path).read()\n"
    )
    found = examine(whole("from parts_of_case import child\n\nserver.mount(child, namespace='sub')\n"))
    assert {item.place.file.name for item in found} == {"parts_of_case.py"}
    assert {"HF101", "HF110", "HF301"} <= codes(found)


def test_code_of_libraries_is_not_looked_at(whole: Load) -> None:
    case = (
        "import json\n\n"
        "server.tool(read_only=True, name='dump', description='Write a value "
        "down.')(json.JSONDecodeError.with_traceback)\n"
    )
    with pytest.raises(ConfigurationError):
        whole(case)  # it has no hints; what follows has
    found = whole(
        "import textwrap\n\n"
        "server.prompt(name='dedent', description='Take the indentation away.')(lambda: "
        "textwrap.dedent(''))\n"
    )
    assert set(found.sources) == {found.file}


def test_decorated_partial_and_callable_tools_are_found_in_the_source(whole: Load) -> None:
    case = '''
    import functools


    def logged(function):
        @functools.wraps(function)
        async def inner(*words, **named):
            return await function(*words, **named)

        return inner


    @server.tool(read_only=True)
    @logged
    async def first(word: Literal["a"]) -> str:
        """Say the first thing."""
        return ""


    async def second(flag: bool, word: Literal["a"]) -> str:
        """Say the second thing."""
        return ""


    server.tool(read_only=True, name="second")(functools.partial(second, flag=True))


    class Third:
        """Say the third thing."""

        async def __call__(self, word: Literal["a"]) -> str:
            return ""


    server.tool(read_only=True, name="third")(Third())
    '''
    found = {subject.operation.name: subject for subject in whole(case).subjects}
    lines = found["first"].source.text.splitlines()  # type: ignore[union-attr]
    assert [
        "def first" in lines[found["first"].place.line - 1],
        "def second" in lines[found["second"].place.line - 1],
    ] == [True, True]
    assert "def __call__" in lines[found["third"].place.line - 1]
    assert "word" in lines[found["second"].place_of("word").line - 1]


def test_a_class_whose_run_comes_from_a_base_is_found_by_its_name(whole: Load) -> None:
    case = '''
    class Base(Tool):
        """Do a thing with nothing."""

        async def run(self, args: ToolInput, ctx: Context) -> str:
            return ""


    @server.add
    class Mine(Base):
        read_only = True
    '''
    (subject,) = whole(case).subjects
    assert subject.source is not None
    assert subject.place.line > 0


@pytest.mark.parametrize(
    "raw, said",
    [
        (b"def", "that can be parsed"),
        (b"x = '\x00'", "that can be parsed"),
        (b"# coding: nope\n", "that can be parsed"),
    ],
)
def test_what_is_not_python_cannot_be_looked_at(tmp_path: Path, raw: bytes, said: str) -> None:
    file = tmp_path / "x.py"
    file.write_bytes(raw)
    with pytest.raises(ConfigurationError, match=said):
        Source.read(file)


def test_a_missing_or_huge_file_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Source.read(tmp_path / "absent.py")
    monkeypatch.setattr(module, "MAX_BYTES", 3)
    (tmp_path / "x.py").write_text("x = 1\n")
    with pytest.raises(ConfigurationError, match="larger than"):
        Source.read(tmp_path / "x.py")


def test_names_are_followed_through_imports(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "import os.path as p, subprocess as sp\nfrom os import system as go\nimport os\n"
        "run = sp.run\np.join(); go(); run(); os.path.join(); f()()\n"
    )
    found = [name for name, call in Source.read(file).calls() if isinstance(call, ast.Call)]
    assert sorted(found) == ["", "f", "os.path.join", "os.path.join", "os.system", "subprocess.run"]


def test_a_class_whose_run_is_a_librarys_is_found_by_its_own_name(whole: Load) -> None:
    case = """
    from json import JSONEncoder


    @server.add
    class Mine(Tool):
        read_only = True
        run = JSONEncoder.default
    """
    (subject,) = whole(case).subjects
    assert subject.function is None
    assert subject.owner is not None
    assert subject.owner.name == "Mine"
    assert subject.place_of("absent") == subject.place


def test_a_server_in_a_package_has_the_files_of_the_package(tmp_path: Path, whole: Load) -> None:
    from holdfast.lint.subject import _root

    (tmp_path / "outer" / "inner").mkdir(parents=True)
    for folder in ("outer", "outer/inner"):
        (tmp_path / folder / "__init__.py").write_text("")
    assert _root(tmp_path / "outer" / "inner" / "server.py") == tmp_path


def test_only_so_many_files_and_wrappers_are_followed(whole: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    from holdfast.lint import subject

    def endless() -> None: ...

    endless.__wrapped__ = endless  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="more than 32 times"):
        subject._bare(endless)
    monkeypatch.setattr(subject, "MAX_NODES", 2)
    found = whole("@server.tool(read_only=True)\nasync def it(a: bool, b: bool) -> str:\n    'Do it.'\n    return ''\n")
    assert len(found.subjects[0].nodes) == 2
    monkeypatch.setattr(subject, "MAX_FILES", 1)
    assert found._source(Path(__file__)) is None


def test_without_a_call_of_server_the_file_is_the_place(whole: Load) -> None:
    found = whole("", prelude="from holdfast import Server as Made\n\nkinds = [Made]\nserver = kinds[0]('x')\n")
    assert (found.home.line, found.home.file) == (1, found.file)
