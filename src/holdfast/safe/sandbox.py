"""What a server's handles may reach: the one object that validation passes to every handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.safe.databases import AnyDatabase
    from holdfast.safe.paths import Root
    from holdfast.safe.policy import UrlPolicy


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Built once from the settings. A field that is ``None`` means: nothing of that kind is allowed."""

    workspace: Root | None = None
    urls: UrlPolicy | None = None
    database: AnyDatabase | None = None

    def close(self) -> None:
        """Let go of what is held open; a handle used afterwards is refused."""
        if self.workspace is not None:
            self.workspace.close()
