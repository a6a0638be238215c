"""The command of a server: its words made to work from any folder, and the environment it is given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "SYSTEMROOT"}
    | {"VIRTUAL_ENV", "NODE_PATH", "PYTHONUTF8", "PYTHONIOENCODING", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)
"""What a server is given of the user's environment; the user's own secrets are none of a hostile client's business."""
PREFIXES = ("LC_", "npm_config_", "NPM_CONFIG_", "UV_", "PIP_", "NVM_", "PYENV_", "XDG_")
SEARCHED = ("PYTHONPATH",)
"""Lists of folders, which may be named from where the user stands."""


def settled(words: Sequence[str], here: Path) -> tuple[str, ...]:
    """The words with those that name something in ``here`` made absolute, since the server runs elsewhere.

    ``.`` and words that are no existing path stay as they are: a server that serves ``.`` serves the arena.
    """
    return tuple(_settled(word, here, first=not number) for number, word in enumerate(words))


def _settled(word: str, here: Path, *, first: bool) -> str:
    if word in {".", "./", ""} or word.startswith(("-", "/", "~", "@")) or "://" in word:
        return word
    if first and os.sep not in word:
        return word  # a program is searched for on PATH, never where one happens to stand
    try:
        there = (here / word).exists()
    except (OSError, ValueError):
        return word
    return str(here / word) if there else word


def filled(words: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """``{workspace}``, ``{database}`` and ``{port}`` replaced; other braces stay."""
    done = []
    for word in words:
        for name, value in values.items():
            word = word.replace("{" + name + "}", value)
        done.append(word)
    return tuple(done)


def environment(here: Path, own: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """What a server is given: little of the user's, ``own`` of the arena, and ``extra`` as the user says."""
    given = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(PREFIXES)}
    for name in SEARCHED:
        if os.environ.get(name):
            folders = os.environ[name].split(os.pathsep)
            given[name] = os.pathsep.join(str(here / folder) for folder in folders if folder)
    theirs = {name: value for name, value in os.environ.items() if name.startswith("HOLDFAST_") and name not in own}
    return given | theirs | dict(own) | dict(extra)
