"""Marks of redaction: found as redaction writes them, and never written over what they stand for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe.markers import MAX_MARK, marks, require_unredacted
from holdfast.safe.paths import Root
from holdfast.safe.rules import RULES
from holdfast.safe.secrets import SecretRegistry

MARK = "[redacted:github-token]"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def refused(work: Callable[[], object]) -> bool:
    with pytest.raises(UnsafePath) as caught:
        work()
    assert "github" not in caught.value.message
    return caught.value.code == "path.redacted"


def test_what_redaction_writes_is_what_is_found() -> None:
    """The one place that both agree in: a mark of every rule, and of a registered secret with the longest name."""
    registry = SecretRegistry()
    name = "n" * 60 + ":a.b"
    registry.add("correct-horse-battery", name)
    found = registry.redact("key correct-horse-battery end")
    assert marks(found.text.encode()) == {f"[redacted:{name}]": 1}
    for rule in RULES:
        mark = f"[redacted:{rule.name}]"
        assert marks(f"a{mark}b".encode()) == {mark: 1}
        assert len(mark.encode("utf-32-le")) <= MAX_MARK


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "latin-1"])
def test_marks_are_found_in_every_common_encoding(encoding: str) -> None:
    assert marks(f"x = {MARK}\ny = {MARK}{MARK}".encode(encoding)) == {MARK: 3}


@pytest.mark.parametrize(
    "text", ["[redacted]", "[redacted:]", "[redacted: x]", "redacted:x", "[REDACTED:x", "[redacted:a b]"]
)
def test_what_redaction_never_writes_is_ordinary_text(text: str) -> None:
    assert not marks(text.encode())


def test_text_that_egress_altered_is_not_written_back(root: Root, tmp_path: Path) -> None:
    """The whole way: a tool reads, the caller is shown a redacted text, changes a word and sends all of it back."""
    registry = SecretRegistry()
    registry.add("hunter2hunter2", "github-token")
    (tmp_path / "settings").write_text("token = hunter2hunter2\ncolour = red\n")
    shown = registry.redact(root.read("settings").read_text_sync()).text
    target, data = root.write("settings"), shown.replace("red\n", "blue\n")
    assert refused(lambda: target.write_text_sync(data))
    assert refused(lambda: target.write_bytes_sync(data.encode("utf-16")))
    assert refused(lambda: target.write_text_sync(data, backups=2))
    assert refused(lambda: target.append_text_sync(data))
    assert refused(lambda: root.write("new/copy").write_text_sync(data, make_parents=True))
    assert (tmp_path / "settings").read_text() == "token = hunter2hunter2\ncolour = red\n"
    assert not (tmp_path / "new" / "copy").exists()


async def test_the_author_may_say_that_the_content_comes_from_elsewhere(root: Root) -> None:
    await root.write("log").write_text(MARK, redacted=True)
    await root.write("log").append_text(MARK, redacted=True)
    assert await root.read("log").read_text() == MARK * 2


def test_for_content_without_marks_nothing_is_read_of_what_was_there() -> None:
    def unreadable() -> bytes:
        raise AssertionError

    require_unredacted(b"plain", unreadable)


def test_a_file_with_marks_of_its_own_keeps_them_loses_them_but_gets_no_more(root: Root, tmp_path: Path) -> None:
    (tmp_path / "docs.md").write_text(f"secrets show as {MARK}")
    target = root.write("docs.md")
    target.write_text_sync(f"Secrets show as {MARK}.")
    assert refused(lambda: target.write_text_sync(f"{MARK} {MARK}"))
    assert refused(lambda: target.write_text_sync(f"{MARK} [redacted:jwt]"))
    target.write_text_sync("none")
    assert refused(lambda: target.write_text_sync(MARK))


def test_a_mark_in_two_halves_is_put_together_by_no_append(root: Root) -> None:
    for cut in range(1, len(MARK)):
        target = root.write(f"log{cut}")
        target.append_text_sync("x" * 500 + MARK[:cut])
        assert refused(lambda target=target, cut=cut: target.append_text_sync(MARK[cut:]))
        target.append_text_sync("y")


def test_a_refused_append_makes_no_file(root: Root) -> None:
    assert refused(lambda: root.write("new/deep").append_text_sync(MARK, make_parents=True))
    assert list(root.path.iterdir()) == []


def test_an_append_to_a_file_that_ends_with_a_mark_is_no_new_mark(root: Root) -> None:
    root.write("log").write_text_sync(f"was {MARK}", redacted=True)
    root.write("log").append_text_sync(" and more")
    assert refused(lambda: root.write("log").append_text_sync(MARK))


def test_a_flood_of_beginnings_costs_little() -> None:
    begun = time.process_time()
    assert not marks(b"[redacted:" * 400_000)
    assert len(marks(b"[redacted:x]" * 300_000)) == 1
    assert time.process_time() - begun < 3.0
