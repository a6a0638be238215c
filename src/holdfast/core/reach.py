"""What handles may reach: the sandbox that the settings describe, and the check that every need is met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from holdfast.errors import MissingSetting
from holdfast.safe.policy import TEXT_TYPES, UrlPolicy
from holdfast.safe.sandbox import Sandbox

if TYPE_CHECKING:
    from holdfast.core.config import UrlSettings
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
        from holdfast.safe.sql import Database

        database = Database(settings.database)
    return Sandbox(workspace=root, urls=_url_policy(settings.urls), database=database)


def _url_policy(urls: UrlSettings) -> UrlPolicy:
    return UrlPolicy(
        allow=frozenset(urls.allow),
        ports=frozenset(urls.ports),
        timeout=urls.timeout,
        max_bytes=urls.max_bytes,
        hosts=frozenset(urls.hosts),
        deny_hosts=frozenset(urls.deny),
        types=TEXT_TYPES if urls.types is None else frozenset(urls.types),
        max_body=urls.max_body,
    )


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
