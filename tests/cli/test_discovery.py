"""The one server in an author's file is found, and every other case is said in one line."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.cli.discovery import Sources, Target, find
from holdfast.cli.importing import PREFIX, load_file
from holdfast.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("imports")
Write = Callable[..., Path]
ONE = "from holdfast import Server\nserver = Server('one')\n"


def test_the_only_server_is_found_under_any_name(python_file: Write) -> None:
    file = python_file("a.py", "from holdfast import Server\nwhatever = Server('one')\nsame = whatever\n")
    assert find(Target.parse(str(file)), Sources()).name == "one"


def test_several_servers_are_all_named(python_file: Write) -> None:
    file = python_file("b.py", "from holdfast import Server\nleft = Server('l')\nright = Server('r')\n")
    with pytest.raises(ConfigurationError, match=r"b\.py must hold one .*it holds left, right; say which: b\.py:left"):
        find(Target.parse(str(file)), Sources())
    assert find(Target.parse(f"{file}:right"), Sources()).name == "r"


def test_a_server_mounted_on_another_of_the_file_is_no_rival(python_file: Write) -> None:
    text = "from holdfast import Server\nkid = Server('k')\ntop = Server('t')\ntop.mount(kid, namespace='k')\n"
    file = python_file("mounts.py", text)
    assert find(Target.parse(str(file)), Sources()).name == "t"
    assert find(Target.parse(f"{file}:kid"), Sources()).name == "k"


@pytest.mark.parametrize("text", ["x = 1\n", "from holdfast import Server\nmake = lambda: Server('late')\n"])
def test_a_file_without_a_server_is_refused(python_file: Write, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"c\.py must hold one holdfast\.Server, but it holds none"):
        find(Target.parse(str(python_file("c.py", text))), Sources())


def test_a_file_that_never_imported_holdfast_has_no_server(python_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "holdfast.server", raising=False)
    with pytest.raises(ConfigurationError, match="holds none"):
        find(Target.parse(str(python_file("c2.py", "x = 1\n"))), Sources())


def test_a_name_that_is_no_server_is_refused_with_those_that_are(python_file: Write) -> None:
    file = python_file("d.py", ONE + "other = 3\n")
    for name in ("other", "missing"):
        with pytest.raises(ConfigurationError, match=f"no server called {name}; it holds server"):
            find(Target.parse(f"{file}:{name}"), Sources())


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    for text in (str(tmp_path / "absent.py"), str(tmp_path), f"{tmp_path}/absent.py:server", "x.py:not-a-name"):
        with pytest.raises(ConfigurationError, match="is not a file"):
            Target.parse(text)


def test_a_colon_in_a_files_own_name_is_no_separator(python_file: Write) -> None:
    file = python_file("odd:name", ONE)
    assert Target.parse(str(file)) == Target(file.resolve(), None)
    assert find(Target.parse(str(file)), Sources()).name == "one"


def test_settings_beside_the_servers_file_are_picked_up(python_file: Write, tmp_path: Path) -> None:
    file = python_file("inner/e.py", ONE)
    python_file("holdfast.toml", "[limits]\ntimeout = 1\n")  # in a folder above: not looked at
    assert find(Target.parse(str(file)), Sources()).sources == {"file": None, "env_file": None}
    beside = python_file("inner/holdfast.toml", "[limits]\ntimeout = 2\n")
    loaded = find(Target.parse(str(file)), Sources()).load_settings()
    assert (loaded.settings.limits.timeout, loaded.origin("limits.timeout")) == (2.0, "holdfast.toml")
    named = python_file("named.toml", "[limits]\ntimeout = 3\n")
    variables = python_file("prod.env", "HOLDFAST_LIMITS__QUEUE=7\n")
    server = find(Target.parse(str(file)), Sources(named, variables))
    assert server.sources == {"file": named, "env_file": variables}
    assert (beside.exists(), server.load_settings().settings.limits.queue) == (True, 7)


def test_a_named_settings_file_that_is_absent_is_refused(python_file: Write, tmp_path: Path) -> None:
    target = Target.parse(str(python_file("f.py", ONE)))
    for sources in (Sources(config=tmp_path / "no.toml"), Sources(env_file=tmp_path / "no.env")):
        with pytest.raises(ConfigurationError, match="is not a file"):
            find(target, sources)


@pytest.mark.parametrize(
    "text, said",
    [
        ("x = 1\nraise ValueError('bad\\x1b[31m luck\\nsecond line')\n", r"^g\.py:2: ValueError: bad luck \(--debug"),
        ("def broken(:\n", r"^g\.py:1: SyntaxError: "),
        ("\nimport nothing_of_that_name\n", r"^g\.py:2: ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit(3)\n", r"^g\.py:2: the file ended the program when imported; put that beneath"),
        (ONE + "server.remove('tool', 'x')\n", r"^g\.py:3: there is no tool called x \(--debug"),
        ("exec('def broken(:')\n", r"^g\.py:1: SyntaxError"),
    ],
)
def test_a_file_that_fails_when_imported_is_named_with_its_line(python_file: Write, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        find(Target.parse(str(python_file("g.py", text))), Sources())
    assert "\n" not in str(caught.value)
    assert "g" not in sys.modules


def test_a_null_byte_in_the_file_has_no_line_but_a_message(tmp_path: Path) -> None:
    file = tmp_path / "nul.py"
    file.write_bytes(b"x = 1\0\n")
    with pytest.raises(ConfigurationError, match=r"^nul\.py(:1)?: \w*Error: "):
        find(Target.parse(str(file)), Sources())


def test_debug_shows_the_traceback(python_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"^h\.py:1: ZeroDivisionError: division by zero$"):
        find(Target.parse(str(python_file("h.py", "1 / 0\n"))), Sources(debug=True))
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_while_importing_is_ctrl_c(python_file: Write) -> None:
    with pytest.raises(KeyboardInterrupt):
        find(Target.parse(str(python_file("i.py", "raise KeyboardInterrupt\n"))), Sources())


def test_a_file_sees_its_neighbours_and_its_functions_can_be_pickled(python_file: Write) -> None:
    python_file("neighbour_of_j.py", "value = 41\n")
    file = python_file("my-j.py", "import neighbour_of_j\n\ndef work():\n    return neighbour_of_j.value + 1\n")
    module = load_file(file)
    assert (module.__name__, module.__file__, sys.path[0]) == ("my-j", str(file), str(file.parent))
    assert pickle.loads(pickle.dumps(module.work)) is module.work  # noqa: S301 - our own bytes
    assert not (file.parent / "__pycache__" / "my-j.cpython-311.pyc").exists()


def test_a_file_called_like_an_installed_module_hides_nothing(python_file: Write) -> None:
    for name in ("json", "typer", "sys"):
        file = python_file(f"{name}.py", ONE)
        assert load_file(file).__name__ == PREFIX + name
        assert sys.path[-1] == str(file.parent)
        assert sys.modules[name].__name__ == name if name in sys.modules else True


def test_a_file_called_like_the_running_script_is_no_trouble(
    python_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # as it is for `python FILE`
    assert load_file(python_file("__main__.py", ONE)).__name__ == PREFIX + "__main__"


def test_a_file_inside_a_package_may_import_relatively(python_file: Write) -> None:
    python_file("inner_pkg/__init__.py", "")
    python_file("inner_pkg/names.py", "NAME = 'relative'\n")
    file = python_file("inner_pkg/app.py", "from holdfast import Server\nfrom .names import NAME\ns = Server(NAME)\n")
    assert find(Target.parse(str(file)), Sources()).name == "relative"
    assert sys.modules["inner_pkg.app"].__package__ == "inner_pkg"
