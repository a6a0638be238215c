"""What is laid out leads out of the root where it should, and what is outside can be put right again."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from holdfast_attack.arena import repository
from holdfast_attack.arena.canaries import Canaries
from holdfast_attack.arena.files import HELLO, LINKS, ZIP_MEMBER, Places, keep, lay_out, restore
from holdfast_attack.arena.fingerprint import of_folder
from holdfast_attack.arena.texts import HIDDEN

CANARIES = Canaries.of(3)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arena") / "base"


@pytest.fixture(scope="module")
def laid_out(places: Path) -> Places:
    made = Places(places)
    assert lay_out(made, CANARIES) is repository.available()
    keep(made)
    return made


@pytest.mark.parametrize("name", ["file", "relative", "chain-1", "chain-3"])
def test_links_lead_to_the_secret(laid_out: Places, name: str) -> None:
    assert CANARIES.files["outside"] in (laid_out.workspace / "links" / name).read_text()


def test_other_links_lead_within_nowhere_and_in_a_circle(laid_out: Places) -> None:
    links = laid_out.workspace / "links"
    assert (links / "within").read_text() == HELLO
    assert (links / "folder" / "secret.txt").exists()
    assert not (links / "new").exists()
    assert all((links / name).is_symlink() for name, _ in LINKS)


def test_secrets_stand_around_the_root_in_contents_and_names(laid_out: Places) -> None:
    assert CANARIES.files["sibling"] in (laid_out.sibling / "secret.txt").read_text()
    assert f"{CANARIES.files['name']}.txt" in [entry.name for entry in laid_out.outside.iterdir()]
    assert f"{CANARIES.files['name']}.txt" in [entry.name for entry in laid_out.base.iterdir()]
    assert str(laid_out.sibling) == f"{laid_out.workspace}-private"
    assert CANARIES.files["hard-link"] in (laid_out.workspace / "linked.txt").read_text()
    assert (laid_out.workspace / "linked.txt").stat().st_nlink == 2


def test_no_secret_stands_within_the_root_but_by_a_link(laid_out: Places) -> None:
    for path in laid_out.workspace.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "linked.txt":
            assert CANARIES.seen_in(path.read_bytes()) == ()


def test_strange_texts_are_planted_as_they_are(laid_out: Places) -> None:
    for name, hidden in HIDDEN.items():
        assert (laid_out.workspace / "strange" / f"{name}.txt").read_bytes() == hidden.text.encode()


def test_archives_name_places_outside(laid_out: Places) -> None:
    with zipfile.ZipFile(laid_out.workspace / "archive.zip") as archive:
        assert f"../{ZIP_MEMBER}" in archive.namelist()
    data = io.BytesIO((laid_out.workspace / "archive.tar").read_bytes())
    with tarfile.open(fileobj=data) as archive:
        assert archive.getmember("way-out").linkname == "../../outside"
        assert f"way-out/{ZIP_MEMBER}" in archive.getnames()


def test_what_a_tool_has_done_outside_is_undone(laid_out: Places) -> None:
    before = of_folder(laid_out.outside, "o") | of_folder(laid_out.sibling, "s")
    (laid_out.outside / "secret.txt").unlink()
    (laid_out.outside / "linked.txt").write_text("changed")
    (laid_out.outside / "deep" / "er").mkdir(parents=True)
    (laid_out.sibling / "made.txt").symlink_to("/nowhere")
    restore(laid_out)
    assert of_folder(laid_out.outside, "o") | of_folder(laid_out.sibling, "s") == before
    assert CANARIES.files["hard-link"] in (laid_out.workspace / "linked.txt").read_text()


def test_without_git_there_are_no_repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "available", lambda: False)
    made = Places(tmp_path / "base")
    assert lay_out(made, CANARIES) is False
    assert not (made.workspace / ".git").exists()


def test_a_git_that_fails_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise OSError("no such program")

    monkeypatch.setattr(repository, "make", fail)
    monkeypatch.setattr(repository, "available", lambda: True)
    assert lay_out(Places(tmp_path / "base"), CANARIES) is False
