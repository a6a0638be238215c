"""Names that say that what they name is a secret: keys of mappings, fields of log records."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from holdfast.safe.rules import is_opaque

CREDENTIAL: Final = "named-secret"
"""The rule that redactions by name count under."""
KEY_ENDINGS: Final = (
    b'token":',
    b'auth":',
    b'cookie":',
    b'credential":',
    b'credentials":',
    b'passcode":',
    b'passwort":',
)
"""How such a key ends in JSON, in lower case, where no rule for text has a keyword for it."""

_PASSWORDS: Final = re.compile(r"(?:.*(?:password|passwd|passphrase|pwd|passcode|passwort)|pass)")
_OPAQUE: Final = re.compile(
    r"(?:.*(?:secret|apikey|appkey|accesskey|secretkey|privatekey|signingkey|encryptionkey|credentials?|setcookie)"
    r"|(?:.*(?:auth|access|refresh|bearer|id|api|bot|webhook|session|security|personal|private|user|admin|service))?token"
    r"|(?:proxy|x)?authorization|auth|cookie)"
)
_MARKS: Final = re.compile(r"[\s_.-]+")
_PLACEHOLDER: Final = re.compile(
    r"(?i)(?:none|null|true|false|undefined|unknown|n/?a|str(?:ing)?|int(?:eger)?|bool(?:ean)?|bytes|object|text|optional"
    r"|required|redacted|hidden|masked|\W+|x+|secret|password|token|changed|changeme|missing|invalid|valid|expired|empty|unset"
    r"|set|yes|no|on|off|enabled|disabled|bearer|basic|oauth2?|api_?key|file|env)"
)
_LONGEST_NAME: Final = 64
_LONGEST_VALUE: Final = 16_384


@lru_cache(4_096)
def kind(name: str) -> str | None:
    """``password`` or ``credential`` when a name of this kind is given to secrets; ``None`` for any other name."""
    if len(name) > _LONGEST_NAME:
        return None
    plain = _MARKS.sub("", name).lower()
    if _PASSWORDS.fullmatch(plain):
        return "password"
    return "credential" if _OPAQUE.fullmatch(plain) else None


def holds_secret(name: str, value: str) -> bool:
    """Whether ``value``, under this ``name``, is a secret: not a placeholder, a type, a reference or a sentence.

    A password may be any word of 4 letters; anything else has 8, no blanks, and mixes letters and digits. A text of
    several words is taken for a description, as schemas and documentation have it.
    """
    sort = kind(name)
    if sort is None or not 4 <= len(value) <= _LONGEST_VALUE or value[0] in "<{[$*%(#" or value.startswith("enc:"):
        return False
    if _PLACEHOLDER.fullmatch(value):
        return False
    words = value.split()
    if sort == "password":
        return len(words) == 1
    return len(words) <= 2 and len(words[-1]) >= 8 and is_opaque(words[-1])
