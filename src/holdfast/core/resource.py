"""Resources: static ones and templates, whose parameters pass the same chain as a tool's arguments."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import unquote

from holdfast.core.content import contents
from holdfast.core.function import FunctionOperation
from holdfast.core.output import encoded
from holdfast.core.pipeline import Answer
from holdfast.errors import ConfigurationError

_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")
MAX_URI = 2_048
"""Characters of a resource's URI that are looked at; longer ones match nothing."""


class Resource(FunctionOperation):
    """A function behind a URI, or behind a URI template such as ``note://{user}/{id}`` (RFC 6570, level 1).

    A template's parameters match one segment each (no slash, also not an encoded one), so ``..%2f`` cannot climb.
    They are text; a parameter of another type is read from it.
    """

    kind: ClassVar = "resource"

    def __init__(self, uri: str, function: Callable[..., Any], *, mime_type: str | None = None, **facts: Any) -> None:
        self.uri = uri
        self.mime_type = mime_type
        self.adopt(function, {"read_only": True, "lenient": True, **facts})
        self.parameters = _parameters(uri)
        if set(self.parameters) != set(self.signature.names):
            raise ConfigurationError(
                f"resource {uri}: the template's parameters and the function's arguments must be the same names"
            )
        self._pattern = self._compiled()

    def moved(self, uri: str) -> Resource:
        """The same resource under another URI."""
        twin = copy.copy(self)
        twin.uri = uri
        twin._pattern = twin._compiled()
        return twin

    def _compiled(self) -> Any:
        """RE2, which takes linear time: ``{a}-{b}-{c}`` held ``re`` for hours on 2,048 hyphens (CVE-2026-0621)."""
        import re2

        return re2.compile("".join(self._piece(part) for part in re.split(r"(\{[^}]*\})", self.uri)))

    def _piece(self, part: str) -> str:
        match = _PARAMETER.fullmatch(part)
        return f"(?P<{match[1]}>[^/?#]+)" if match else re.escape(part)  # both libraries escape alike

    @property
    def is_template(self) -> bool:
        """Whether the URI has parameters."""
        return bool(self.parameters)

    def match(self, uri: str) -> dict[str, str] | None:
        """The parameters of ``uri``, decoded once; ``None`` when it is another resource's or hides a slash."""
        found = self._pattern.fullmatch(uri) if len(uri) <= MAX_URI and _is_text(uri) else None
        if found is None:
            return None
        values = {name: unquote(value, errors="strict") for name, value in found.groupdict().items() if _decodes(value)}
        safe = len(values) == len(self.parameters) and not any(_climbs(value) for value in values.values())
        return values if safe else None

    def listing(self) -> dict[str, Any]:
        """The resource as ``resources/list`` or ``resources/templates/list`` shows it."""
        entry = super().listing()
        entry["uriTemplate" if self.is_template else "uri"] = self.uri
        if self.mime_type is not None:
            entry["mimeType"] = self.mime_type
        return entry

    def present(self, value: Any) -> Answer:
        """Text, bytes, or anything that JSON can hold; one content under the URI that was asked for."""
        content = value if isinstance(value, str | bytes) else encoded(value).decode()
        return Answer({"contents": [contents(self.uri, content, self.mime_type)]})


def _parameters(uri: str) -> tuple[str, ...]:
    """The names in braces. Raises ``ConfigurationError`` for what is not RFC 6570, level 1."""
    names = tuple(_PARAMETER.findall(uri))
    if set("{}") & set(_PARAMETER.sub("", uri)):
        raise ConfigurationError(f"resource {uri}: a template holds parameters as {{name}} and no other braces")
    if len(set(names)) != len(names) or "}{" in uri:
        raise ConfigurationError(f"resource {uri}: each parameter once, and something between two of them")
    return names


def _is_text(uri: str) -> bool:
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decodes(value: str) -> bool:
    try:
        unquote(value, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _climbs(value: str) -> bool:
    """Whether a decoded parameter holds a separator or a dot segment (CVE-2026-61462), or is still encoded."""
    return "/" in value or "\\" in value or "\0" in value or value in (".", "..") or unquote(value) != value
