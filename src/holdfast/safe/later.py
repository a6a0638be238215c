"""A regular expression that is compiled when it is first used, for long ones that most servers never need."""

from __future__ import annotations

import re
from functools import cached_property


class Later:
    """``pattern`` without flags. A class of many ranges takes 2 to 6 ms to compile, as long as ten modules to load."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def search(self, text: str) -> re.Match[str] | None:
        """See ``re.Pattern.search``."""
        return self._compiled.search(text)

    def sub(self, replacement: str, text: str) -> str:
        """See ``re.Pattern.sub``."""
        return self._compiled.sub(replacement, text)
