"""The root itself: its settings, what it refuses by identity, that it owns what it opens, and how it travels."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.roots import root_of

from holdfast.errors import ConfigurationError, UnsafePath
from holdfast.safe import folder
from holdfast.safe.identity import identity
from holdfast.safe.paths import Root
from holdfast.safe.resolve import Choice, OpenAt2

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    (place / "notes").mkdir(parents=True)
    (place / "notes" / "one.md").write_text("one")
    (place / ".env").write_text("secret")
    os.link(place / ".env", place / "env")
    return place


@pytest.fixture(params=["openat2", "walker"])
def root(request: pytest.FixtureRequest, place: Path) -> Iterator[Root]:
    with root_of(place, request.param) as root:
        yield root


def opened(place: Path) -> int:
    """How many descriptors this process has open on the workspace and on what lies in it."""
    beneath = {identity(each.stat()) for each in (place, *place.rglob("*"))}
    found = 0
    for fd in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):  # the one that listed them
            found += identity(os.fstat(fd)) in beneath
    return found


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    return caught.value.code


@pytest.mark.parametrize("bound", ["max_read", "max_write"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_bound_that_lets_nothing_through_is_a_configuration_error(place: Path, bound: str, number: int) -> None:
    with pytest.raises(ConfigurationError, match="above zero"):
        Root(place, **{bound: number})  # type: ignore[arg-type]
    assert getattr(Root(place, **{bound: 1}), bound) == 1  # type: ignore[arg-type]


def test_a_platform_that_cannot_confine_paths_gets_no_root(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "supported", lambda: False)
    with pytest.raises(ConfigurationError, match="cannot be confined"):
        Root(place)


def test_an_operator_is_told_of_a_root_that_is_wider_than_it_looks(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "holdfast.safe"):
        Root(place, resolver="walker").close()
        Root(place, deny=(".*", "more"), resolver="walker").close()
        assert caplog.messages == []
        Root("/", resolver="walker").close()
        Root(place, deny=("more",), resolver="walker").close()
    assert ["root of the file system" in caplog.messages[0], "dotfiles" in caplog.messages[1]] == [True, True]
    assert len(caplog.messages) == 2


def test_a_second_name_of_what_is_denied_is_as_hidden_as_the_first(root: Root, place: Path) -> None:
    """Not ``path.hard_link``: the identity is judged before the facts, so it is no hint either."""
    for work in (root.read("env").read_text_sync, root.read("env").stat_sync, root.read("env").open_sync):
        assert code_of(work) == "path.hidden"
    assert opened(place) == 1
    root.require_visible((place / "notes" / "one.md").stat())
    assert code_of(lambda: root.require_visible((place / "env").stat())) == "path.hidden"


def test_what_is_opened_is_closed_at_once_and_not_when_garbage_is_collected(root: Root, place: Path) -> None:
    assert root.read_bytes(("notes", "one.md")) == b"one"
    assert root.facts(("notes", "one.md")).st_size == 3
    with root.directory(("notes",)) as fd:
        assert os.listdir(fd) == ["one.md"]
        assert opened(place) == 2
    assert code_of(lambda: root.open_file(("notes",))) == "path.not_regular"
    assert opened(place) == 1


def test_a_closed_root_holds_no_descriptor_and_opens_nothing(place: Path) -> None:
    root = Root(place)
    assert opened(place) == 1
    root.close()
    assert opened(place) == 0
    assert code_of(lambda: root.facts(("notes",))) == "path.closed"


def test_a_root_that_was_replaced_is_let_go_when_it_is_refused(place: Path) -> None:
    root = Root(place)
    sent = pickle.dumps(root)
    place.rename(place.parent / "was")
    place.mkdir()
    root.close()
    with pytest.raises(ConfigurationError, match="replaced") as caught:
        pickle.loads(sent)  # noqa: S301 - made right here
    assert opened(place) == 0, caught  # whose traceback still holds the refused one


@pytest.mark.parametrize("resolver", ["auto", "openat2", "walker"])
def test_a_root_has_the_same_resolver_in_another_process(place: Path, resolver: Choice) -> None:
    try:
        root = Root(place, resolver=resolver)
    except ConfigurationError:
        pytest.skip("openat2 is not available here")
    assert pickle.loads(pickle.dumps(root)).resolver_name == root.resolver_name  # noqa: S301 - made right here


def test_a_fallback_is_looked_for_and_logged_once(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OpenAt2, "works", lambda self, root: False)
    with caplog.at_level(logging.INFO, "holdfast.safe"):
        root = Root(place)
        said = len(caplog.messages)
        again = pickle.loads(pickle.dumps(root))  # noqa: S301 - made right here
    assert (root.resolver_name, again.resolver_name) == ("walker", "walker")
    assert said == len(caplog.messages) == 1
