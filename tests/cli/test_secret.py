"""``holdfast secret``: secrets come in by standard input or a hidden prompt, and go out only sealed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

from holdfast.safe.sealed import unseal


def new_key(holdfast: Any) -> str:
    ran = holdfast("secret", "new-key")
    assert ran.status == 0
    return str(ran.out.strip())


def test_a_secret_is_sealed_and_a_setting_opens_it(holdfast: Any) -> None:
    keys = json.dumps([new_key(holdfast)])
    ran = holdfast("secret", "encrypt", stdin="canary-token\n", HOLDFAST_SECRETS__KEYS=keys)
    sealed = ran.out.strip()
    assert (ran.status, ran.err, sealed.startswith("enc:"), "canary" in sealed) == (0, "", True, False)
    assert unseal(sealed, json.loads(keys)) == "canary-token"
    shown = holdfast("config", "--json", HOLDFAST_SECRETS__KEYS=keys, HOLDFAST_AUTH__TOKENS=sealed)
    assert json.loads(shown.out)["settings"]["auth.tokens"]["value"] == "********"


def test_values_are_renewed_with_the_newest_key(holdfast: Any) -> None:
    old, newest = new_key(holdfast), new_key(holdfast)
    sealed = holdfast("secret", "encrypt", stdin="one", HOLDFAST_SECRETS__KEYS=json.dumps([old])).out
    both = json.dumps([newest, old])
    ran = holdfast("secret", "rotate", stdin=f"{sealed}\n{sealed}", HOLDFAST_SECRETS__KEYS=both)
    assert ran.status == 0
    assert [unseal(line, [newest]) for line in ran.out.split()] == ["one", "one"]


def test_what_cannot_be_done_is_one_line_that_repeats_nothing(holdfast: Any) -> None:
    keys = json.dumps([new_key(holdfast)])
    for words, stdin, environment, said in (
        (["encrypt"], "canary", {}, "no keys: set HOLDFAST_SECRETS__KEYS"),
        (["encrypt"], "\n", {"HOLDFAST_SECRETS__KEYS": keys}, "an empty secret"),
        (["encrypt"], "canary", {"HOLDFAST_SECRETS__KEYS": '["canary"]'}, "a key"),
        (["rotate"], " \n", {"HOLDFAST_SECRETS__KEYS": keys}, "nothing to rotate"),
        (["rotate"], "enc:canary", {"HOLDFAST_SECRETS__KEYS": keys}, "does not open"),
    ):
        ran = holdfast("secret", *words, stdin=stdin, **environment)
        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err
        assert "canary" not in ran.err
        assert len(ran.err.splitlines()) == 1


def test_a_secret_is_never_an_argument(holdfast: Any) -> None:
    assert holdfast("secret", "encrypt", "canary").status == 2


def test_a_terminal_is_asked_without_showing_what_is_typed(holdfast: Any) -> None:
    key = new_key(holdfast)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "holdfast.cli", "secret", "encrypt"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=holdfast.folder,
        env=holdfast.environment(HOLDFAST_SECRETS__KEYS=json.dumps([key])),
        start_new_session=True,  # without a controlling terminal, getpass reads standard input
    )
    os.close(theirs)
    assert process.stderr is not None
    assert process.stderr.read(len("Secret (not shown): ")) == b"Secret (not shown): "
    os.write(ours, b"typed-canary\n")
    out, _ = process.communicate(timeout=60)
    os.set_blocking(ours, False)
    try:
        echoed = os.read(ours, 1_024)
    except OSError:
        echoed = b""
    os.close(ours)
    assert b"canary" not in echoed
    assert unseal(out.decode().strip(), [key]) == "typed-canary"
