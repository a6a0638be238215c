"""``holdfast config``: every setting with its value and the layer that set it, and what is weaker than by default."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.options import ConfigOption, DebugFlag, EnvFileOption, JsonFlag
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.cli.discovery import Sources
    from holdfast.core.layers import Loaded

MASK = "********"
_PASSWORD = re.compile(r"(?<=://)([^/@:?#]*):.*@", re.DOTALL)
"""The password in a database URL (RFC 3986, 3.2.1), up to the last @: one that was not encoded may hold any sign."""
_OPTIONS = re.compile(r"\?.*", re.DOTALL)
"""The options of a URL: some drivers take a password there."""

TargetOption = Annotated[
    str | None,
    typer.Argument(metavar="[FILE[:NAME]]", help="The server whose own settings count as well.", show_default=False),
]
ExampleFlag = Annotated[
    bool, typer.Option("--env-example", help="Print every setting with its default, as an environment file.")
]


def config(  # noqa: PLR0913 - each parameter is an option of the command
    target: TargetOption = None,
    config: ConfigOption = None,
    env_file: EnvFileOption = None,
    as_json: JsonFlag = False,
    env_example: ExampleFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Show each setting and the layer that set it. Secrets are masked; what is weaker than by default is listed."""
    from holdfast.cli.discovery import Sources

    if env_example:
        from holdfast.core.envfile import env_example as example

        print(example(), end="")
        return
    loaded = _loaded(target, Sources(config, env_file, debug))
    values = values_of(loaded)
    if as_json:
        print(json.dumps({"settings": values, "weakened": loaded.weakened()}, indent=2, ensure_ascii=False))
    else:
        _show(values, loaded.weakened())


def _loaded(target: str | None, sources: Sources) -> Loaded:
    from holdfast.cli.discovery import Target, find
    from holdfast.cli.streams import diverted

    if target is not None:
        chosen = Target.parse(target)
        with diverted():
            return find(chosen, sources).load_settings()
    return loaded_from(sources.config, sources.env_file)


def loaded_from(config: Path | None, env_file: Path | None) -> Loaded:
    """The settings without a server. Raises ``ConfigurationError``."""
    from holdfast.core.layers import load

    if config is not None and not config.is_file():
        raise ConfigurationError(f"{config} is not a file")
    return load(file=config, env_file=env_file)


def values_of(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """Dotted key -> ``value`` (as JSON can hold it, secrets masked) and ``layer``."""
    from holdfast.core.layers import is_secret, keys

    found = {}
    for key, info in keys().items():
        value: Any = loaded.settings
        for part in key.split("."):
            value = getattr(value, part)
        shown = _url(value) if key == "database" else (MASK if value else None) if is_secret(info) else _plain(value)
        found[key] = {"value": shown, "layer": loaded.origin(key)}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return value


def _url(value: Any) -> str | None:
    """A database's file or URL without what is secret in it."""
    if value is None:
        return None
    text = value.get_secret_value()
    return _OPTIONS.sub(f"?{MASK}", _PASSWORD.sub(rf"\1:{MASK}@", text)) if "://" in text else str(text)


def _show(values: dict[str, dict[str, Any]], weakened: list[str]) -> None:
    from holdfast.cli.screen import Table, one_line

    table = Table("settings", ("SETTING", "VALUE", "LAYER"))
    for number, (key, item) in enumerate(values.items()):
        table.rows.append((key, _written(item["value"]), item["layer"]))
        if item["layer"] != "default":
            table.strong.add(number)
    table.show()
    print("\nweaker than by default:" if weakened else "\nnothing is weaker than by default")
    for line in weakened:
        print(f"  {one_line(line)}")


def _written(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
