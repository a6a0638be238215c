"""The example file: every setting, none forgotten, and as safe to copy as the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.config import Settings
from holdfast.core.envfile import env_example
from holdfast.core.layers import keys, load

ROOT = Path(__file__).resolve().parents[2]


def test_the_file_in_the_repository_is_the_one_that_the_model_makes() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_every_setting_stands_there_once_and_commented_out() -> None:
    lines = env_example().splitlines()
    for key in keys():
        name = "#HOLDFAST_" + key.replace(".", "__").upper() + "="
        assert sum(line.startswith(name) for line in lines) == 1
    assert all(not line or line.startswith("#") for line in lines)


def test_uncommented_as_it_is_it_sets_what_is_the_default_anyway(tmp_path: Path) -> None:
    set_lines = [
        line.removeprefix("#")
        for line in env_example().splitlines()
        if line.startswith("#HOLDFAST_") and not line.endswith("=")
    ]
    file = tmp_path / "all.env"
    file.write_text("\n".join(set_lines))
    loaded = load(env_file=file, environ={})
    assert loaded.settings == Settings()
    assert len(loaded.origins) == len(set_lines) > 20


@pytest.mark.parametrize("secret", ["AUTH__TOKENS", "SECRETS__KEYS"])
def test_a_secret_has_no_example(secret: str) -> None:
    assert f"#HOLDFAST_{secret}=\n" in env_example()
