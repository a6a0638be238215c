"""``holdfast config``: where each value came from, with secrets masked and weakenings listed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Write = Callable[..., Path]
ONE = "from holdfast import Server\nprint('noise')\nserver = Server('one', settings={'http.port': 0})\n"


def test_each_value_is_shown_with_its_layer(holdfast: Any, python_file: Write) -> None:
    python_file("inner/holdfast.toml", "[limits]\ntimeout = 2.5\n")
    file = python_file("inner/server.py", ONE)
    variables = python_file("some.env", "HOLDFAST_LIMITS__QUEUE=7\n")
    ran = holdfast("config", file, "--env-file", variables, HOLDFAST_LIMITS__RATE="9/minute")
    rows = {line.split()[0]: line.split()[1:] for line in ran.out.splitlines() if "." in line.split("  ")[0]}
    assert ran.status == 0
    assert rows["limits.timeout"] == ["2.5", "holdfast.toml"]
    assert rows["limits.queue"] == ["7", "some.env"]
    assert rows["limits.rate"] == ["9/minute", "environment"]
    assert rows["http.port"] == ["0", "override"]
    assert rows["limits.cost"] == ["1.0", "default"]
    assert ran.out.endswith("nothing is weaker than by default\n")


def test_no_secret_is_ever_shown(holdfast: Any) -> None:
    environment = {
        "HOLDFAST_AUTH__TOKENS": "canary-token",
        "HOLDFAST_SECRETS__KEYS": '["canary-key"]',
        "HOLDFAST_DATABASE": "postgresql://user:canary-password@host/db",
    }
    for words in (["config"], ["config", "--json"]):
        ran = holdfast(*words, **environment)
        assert ran.status == 0
        assert "canary" not in ran.out + ran.err
        assert "********" in ran.out
        assert "postgresql://user:********@host/db" in ran.out


def test_json_holds_values_layers_and_weakenings(holdfast: Any, tmp_path: Path) -> None:
    ran = holdfast("config", "--json", HOLDFAST_AUDIT__ENABLED="false", HOLDFAST_WORKSPACE=str(tmp_path))
    found = json.loads(ran.out)
    assert found["settings"]["audit.enabled"] == {"value": False, "layer": "environment"}
    assert found["settings"]["workspace"] == {"value": str(tmp_path), "layer": "environment"}
    assert found["settings"]["urls.ports"] == {"value": [80, 443], "layer": "default"}
    assert found["settings"]["auth.tokens"] == {"value": None, "layer": "default"}
    assert found["weakened"] == ["audit.enabled=false: no audit log is kept"]
    assert "weaker than by default:\n  audit.enabled=false" in holdfast("config", HOLDFAST_AUDIT__ENABLED="0").out


def test_a_settings_file_in_the_working_directory_is_not_read_unless_named(holdfast: Any, python_file: Write) -> None:
    file = python_file("holdfast.toml", "[limits]\ntimeout = 2.5\n")
    assert "holdfast.toml" not in holdfast("config").out
    assert "2.5" in holdfast("config", "--config", file.name).out


def test_mistakes_are_one_line_with_status_2(holdfast: Any, python_file: Write) -> None:
    bad = python_file("bad.toml", "[limits]\ntimeot = 1\n")
    for words, said in (
        (["--config", "absent.toml"], "holdfast: absent.toml is not a file\n"),
        (["--config", bad], "limits.timeot"),
        (["--env-file", "absent.env"], "absent.env"),
    ):
        ran = holdfast("config", *words)
        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err
        assert len(ran.err.splitlines()) == 1


def test_the_example_environment_file_is_printed(holdfast: Any) -> None:
    from holdfast.core.envfile import env_example

    assert holdfast("config", "--env-example").out == env_example()
