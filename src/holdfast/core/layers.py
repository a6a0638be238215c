"""Reads the settings' layers (defaults, file, environment, overrides) and remembers where each value came from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from holdfast.core.config import ENV_PREFIX, Settings
from holdfast.errors import ConfigurationError

Tree = dict[str, Any]
CONFIG_FILE = "holdfast.toml"
DEFAULT = "default"


class Loaded(NamedTuple):
    """Settings and, for each dotted key that is not a default, the layer that set it."""

    settings: Settings
    origins: Mapping[str, str]
    again: Callable[[], Loaded] | None = None
    """Reads the same layers once more; ``None`` when nobody knows them."""

    def origin(self, key: str) -> str:
        """The layer of a dotted key such as ``limits.rate``: ``default``, a file's name, ``environment``, ..."""
        return self.origins.get(key, DEFAULT)

    def weakened(self) -> list[str]:
        """One line for each setting that makes the server less strict than it is by default."""
        from holdfast.core.weakenings import weakened

        return weakened(self.settings)


def load(
    overrides: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    env_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read every layer, lowest to highest: defaults, ``file``, ``env_file``, the environment, ``overrides``.

    ``overrides`` maps dotted keys or nested sections to values. Raises ``ConfigurationError`` that names an unknown
    key and the nearest known one, or the key whose value does not fit; never the value.
    """
    layers: list[tuple[str, Tree]] = []
    if file is not None:
        layers.append((file.name, _read_toml(file)))
    if env_file is not None:
        layers.append((env_file.name, _read_environment(_read_env_file(env_file))))
    layers.append(("environment", _read_environment(os.environ if environ is None else environ)))
    layers.append(("override", _nested(overrides or {})))
    merged: Tree = {}
    origins: dict[str, str] = {}
    for name, tree in layers:
        for key, value in _flat(tree):
            _put(merged, key, value)
            origins[key] = name
    _refuse_unknown(origins)
    return Loaded(_validated(_resolve_secrets(merged)), origins)


def _validated(tree: Tree) -> Settings:
    try:
        return Settings(**tree)
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    lines = [
        f"{ENV_PREFIX}{'__'.join(names).upper()} ({'.'.join(names)}): {item['msg']}"
        for item in error.errors(include_input=False, include_url=False, include_context=False)
        if (names := [step for step in item["loc"] if isinstance(step, str)])
    ]
    return "settings do not fit: " + "; ".join(dict.fromkeys(lines))


def _read_toml(file: Path) -> Tree:
    import tomllib

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file.name} cannot be read as TOML: {type(error).__name__}") from None


def _read_env_file(file: Path) -> Mapping[str, str]:
    from dotenv import dotenv_values

    if not file.is_file():
        raise ConfigurationError(f"the named environment file {file.name} does not exist")
    try:
        found = dotenv_values(file, interpolate=False)  # a value is data: a token may hold ${...}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file.name} cannot be read: {type(error).__name__}") from None
    return {key: value for key, value in found.items() if value is not None}


def _read_environment(environ: Mapping[str, str]) -> Tree:
    """``HOLDFAST_LIMITS__RATE=9/s``, or a whole section as JSON; a variable of its own wins over its section's."""
    known, sections = keys(), dict(_sections())
    ours = {name.lower().removeprefix(ENV_PREFIX.lower()): environ[name] for name in environ if _is_ours(name)}
    tree: Tree = {}
    for name in sorted(ours, key=lambda name: "__" in name):
        key = name.replace("__", ".")
        as_json = key in sections or (key in known and get_origin(known[key].annotation) is tuple)
        value = _from_json(name, ours[name]) if as_json else ours[name]
        if key.partition(".")[0] in sections:
            _put(tree, key, value)
        else:
            tree[key] = value  # a name beneath no section stays whole, and is refused as it was written
    return tree


def _is_ours(name: str) -> bool:
    return name.upper().startswith(ENV_PREFIX)


def _from_json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ConfigurationError(
            f"{ENV_PREFIX}{name.upper()}: lists and objects are written as JSON in the environment"
        ) from None


def _nested(overrides: Mapping[str, Any]) -> Tree:
    tree: Tree = {}
    for key, value in overrides.items():
        _put(tree, str(key), dict(value) if isinstance(value, Mapping) else value)
    return tree


def _put(tree: Tree, dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        inner = tree.setdefault(section, {})
        tree = inner if isinstance(inner, dict) else {}
    tree[last] = value


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    sections = {name for name, _ in _sections()}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, BaseModel):
            value = value.model_dump(exclude_unset=True)
        if isinstance(value, Mapping) and (dotted in sections):
            yield from _flat(value, f"{dotted}.")
        else:
            yield dotted, value


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield name, info.annotation


def keys() -> dict[str, FieldInfo]:
    """Every dotted key with its field, in the order of the model."""
    sections = dict(_sections())
    found: dict[str, FieldInfo] = {}
    for name, info in Settings.model_fields.items():
        if name in sections:
            found |= {f"{name}.{key}": inner for key, inner in sections[name].model_fields.items()}
        else:
            found[name] = info
    return found


def _refuse_unknown(origins: Mapping[str, str]) -> None:
    known = keys()
    for key, layer in origins.items():
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"; the nearest known key is {near[0]}" if near else ""
            raise ConfigurationError(f"unknown setting {_printable(key)} ({layer}){hint}")


def _printable(key: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in key[:80])


def is_secret(info: FieldInfo) -> bool:
    """Whether a field holds a secret (``SecretStr``, alone or in a list)."""
    return info.annotation is SecretStr or any(
        arg is SecretStr or SecretStr in get_args(arg) for arg in get_args(info.annotation)
    )


def _resolve_secrets(tree: Tree) -> Tree:
    """Replace ``file:`` and ``enc:`` values of secret settings by what they stand for."""
    ring = [_from_file(item) for item in _as_list(_bare(_get(tree, "secrets.keys")))]
    if ring:
        _put(tree, "secrets.keys", ring)
    for key in (key for key, info in keys().items() if is_secret(info) and key != "secrets.keys"):
        value = _from_file(_get(tree, key))
        if isinstance(value, str):
            _put(tree, key, _unsealed(value, ring))
    return tree


def _bare(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _from_file(value: Any) -> Any:
    value = _bare(value)
    if not (isinstance(value, str) and value.startswith("file:")):
        return value
    from holdfast.safe.sealed import from_file

    return from_file(value.removeprefix("file:"))


def _unsealed(value: str, ring: list[Any]) -> str:
    if not value.startswith("enc:"):
        return value
    from holdfast.safe.sealed import unseal

    opened: str = unseal(value, ring)
    return opened


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _get(tree: Tree, dotted: str) -> Any:
    value: Any = tree
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
