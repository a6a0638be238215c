"""Sealed settings and secrets in files: round trips, rotation, and errors that repeat nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.safe.sealed import MAX_FILE, from_file, generate_key, rotate, seal, unseal

VALUE = "hunter2 ünïcödé"


def test_what_is_sealed_opens_with_the_same_key_only() -> None:
    key, other = generate_key(), generate_key()
    text = seal(VALUE, [key])
    assert text.startswith("enc:")
    assert VALUE not in text
    assert unseal(text, [key]) == VALUE
    assert unseal(text, [other, key]) == VALUE
    with pytest.raises(ConfigurationError) as caught:
        unseal(text, [other])
    assert text[10:20] not in str(caught.value)


def test_what_lacks_its_prefix_is_no_sealed_setting() -> None:
    key = generate_key()
    for function in (unseal, rotate):
        with pytest.raises(ConfigurationError, match="starts with enc:"):
            function(seal(VALUE, [key]).removeprefix("enc:"), [key])


def test_keys_are_a_list_and_not_the_letters_of_one() -> None:
    for keys in ("", generate_key()):
        with pytest.raises(ConfigurationError, match="at least one key"):
            seal(VALUE, keys)


def test_rotation_moves_a_secret_to_the_first_key() -> None:
    old, new = generate_key(), generate_key()
    text = rotate(seal(VALUE, [old]), [new, old])
    assert unseal(text, [new]) == VALUE
    with pytest.raises(ConfigurationError):
        rotate(text, [old])


@pytest.mark.parametrize("text", ["", "hunter2", "enc:", "enc:hunter2", "enc:é", "ENC:x"])
def test_what_is_not_sealed_is_refused_without_being_repeated(text: str) -> None:
    for function in (unseal, rotate):
        with pytest.raises(ConfigurationError) as caught:
            function(text, [generate_key()])
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("keys", [[], ["hunter2"], [""], ["é"], "hunter2"])
def test_a_bad_key_is_refused_without_being_repeated(keys: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        seal(VALUE, keys)
    assert "hunter2" not in str(caught.value)


def test_bytes_that_are_not_text_are_refused() -> None:
    from cryptography.fernet import Fernet

    key = generate_key()
    with pytest.raises(ConfigurationError):
        unseal("enc:" + Fernet(key).encrypt(b"\xff").decode(), [key])


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    key = generate_key()
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    for call in (
        lambda: seal(VALUE, [key]),
        lambda: unseal("enc:x", [key]),
        lambda: rotate("enc:x", [key]),
        generate_key,
    ):
        with pytest.raises(ConfigurationError, match="cryptography"):
            call()


@pytest.mark.parametrize(
    "content, value", [(b"abc", "abc"), (b"abc\n", "abc"), (b"a b\r\n", "a b"), (b"a\n\n", "a\n"), (b"", "")]
)
def test_a_file_is_read_without_its_trailing_newline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, value: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    assert from_file(path) == value
    assert caplog.text == ""


def test_a_link_as_orchestrators_make_it_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("abc")
    (tmp_path / "link").symlink_to("real")
    assert from_file(str(tmp_path / "link")) == "abc"


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_may_read_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    path = tmp_path / "hunter2"
    path.write_text("abc")
    path.chmod(mode)
    assert from_file(path) == "abc"
    assert "0600" in caplog.text
    assert "hunter2" not in caplog.text


def test_what_is_no_small_regular_text_file_is_refused_without_its_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hunter2-pipe")
    (tmp_path / "hunter2-folder").mkdir()
    (tmp_path / "hunter2-large").write_bytes(b"x" * (MAX_FILE + 1))
    (tmp_path / "hunter2-binary").write_bytes(b"\xff")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for path in [*tmp_path.iterdir(), tmp_path / "hunter2-absent", "hunter2\x00"]:
        with pytest.raises(ConfigurationError) as caught:
            from_file(path)
        assert "hunter2" not in str(caught.value)
    assert before is None or len(os.listdir("/proc/self/fd")) == before
    (tmp_path / "edge").write_bytes(b"x" * MAX_FILE)
    assert len(from_file(tmp_path / "edge")) == MAX_FILE
