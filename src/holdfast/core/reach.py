"""What handles may reach: the sandbox that the settings describe, and the check that every need is met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from holdfast.errors import MissingSetting
from holdfast.safe.policy import UrlPolicy
from holdfast.safe.sandbox import Sandbox

if TYPE_CHECKING:
    from holdfast.core.layers import Loaded
    from holdfast.core.operation import Operation


def build_sandbox(loaded: Loaded) -> Sandbox:
    """Open what the settings allow handles to reach. Raises ``ConfigurationError``."""
    settings = loaded.settings
    root = database = None
    if settings.workspace is not None:
        from holdfast.safe.paths import Root

        root = Root(settings.workspace, read_only=settings.workspace_read_only)
    if settings.database is not None:
        from holdfast.safe.databases import open_database

        database = open_database(settings.database.get_secret_value())
    urls = UrlPolicy(
        allow=frozenset(settings.urls.allow),
        ports=frozenset(settings.urls.ports),
        timeout=settings.urls.timeout,
        max_bytes=settings.urls.max_bytes,
    )
    return Sandbox(workspace=root, urls=urls, database=database)


_SETTING = {
    "workspace": "a workspace folder: set HOLDFAST_WORKSPACE",
    "database": "a database: set HOLDFAST_DATABASE",
}


def check_needs(operations: Iterable[Operation], sandbox: Any) -> None:
    """Raise ``MissingSetting`` when an operation takes a handle that this server cannot give."""
    from holdfast.core.needs import needs_of

    for operation in operations:
        for need in sorted(needs_of(operation)):
            if getattr(sandbox, need, None) is None:
                raise MissingSetting(f"{operation.kind} {operation.name} needs {_SETTING.get(need, need)}")
