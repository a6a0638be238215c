"""``holdfast secret``: seals a secret for the settings, renews what is sealed, and makes keys; never through argv."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from holdfast.cli.options import ConfigOption, EnvFileOption
from holdfast.errors import ConfigurationError

_KEYS = "HOLDFAST_SECRETS__KEYS"


def encrypt(config: ConfigOption = None, env_file: EnvFileOption = None) -> None:
    """Encrypt a secret, given on standard input or at a hidden prompt. Prints the enc: value for the settings."""
    from holdfast.safe.sealed import seal

    keys = _keys(config, env_file)
    secret = asked("Secret (not shown): ")
    if not secret:
        raise ConfigurationError("an empty secret is not encrypted")
    print(seal(secret, keys))


def rotate(config: ConfigOption = None, env_file: EnvFileOption = None) -> None:
    """Encrypt enc: values anew with the newest key. They come on standard input, one a line."""
    from holdfast.safe.sealed import rotate as renewed

    keys = _keys(config, env_file)
    values = [line.strip() for line in asked("enc: value (not shown): ").splitlines() if line.strip()]
    if not values:
        raise ConfigurationError("there is nothing to rotate; pass enc: values on standard input, one a line")
    print("\n".join([renewed(value, keys) for value in values]))


def new_key() -> None:
    """Print a new key. Put it first in the JSON list HOLDFAST_SECRETS__KEYS, and keep the old ones after it."""
    from holdfast.safe.sealed import generate_key

    print(generate_key())


def _keys(config: ConfigOption, env_file: EnvFileOption) -> Sequence[str]:
    from holdfast.cli.settings import loaded_from

    keys = loaded_from(config, env_file).settings.secrets.keys
    if not keys:
        raise ConfigurationError(
            f'no keys: set {_KEYS} to a JSON list such as ["..."]; holdfast secret new-key makes one'
        )
    return [key.get_secret_value() for key in keys]


def asked(prompt: str) -> str:
    """What is piped in, without its last line break; or what is typed at a prompt that does not show it."""
    if not sys.stdin.isatty():
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    from getpass import getpass

    return getpass(prompt, stream=sys.stderr)
