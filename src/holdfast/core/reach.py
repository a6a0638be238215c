"""What handles may reach: the sandbox that the settings describe, and the check that every need is met."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from holdfast.errors import MissingSetting
from holdfast.safe.policy import TEXT_TYPES, UrlPolicy
from holdfast.safe.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.core.config import RootSettings, UrlSettings
    from holdfast.core.layers import Loaded
    from holdfast.core.operation import Operation
    from holdfast.safe.paths import Root

_log = logging.getLogger(__name__)


def build_sandbox(loaded: Loaded) -> Sandbox:
    """Open what the settings allow handles to reach. Raises ``ConfigurationError``."""
    settings = loaded.settings
    root = database = None
    if settings.workspace is not None:
        from holdfast.safe.paths import DEFAULT_DENY, Root

        deny = (*DEFAULT_DENY, *settings.workspace_deny)
        root = Root(settings.workspace, read_only=settings.workspace_read_only, deny=deny)
    if settings.database is not None:
        from holdfast.safe.databases import open_database

        database = open_database(settings.database.get_secret_value())
    sandbox = Sandbox(
        workspace=root, urls=_url_policy(settings.urls), database=database, roots=_named_roots(settings.roots)
    )
    _warn_of_nested(list(sandbox.all_roots()))
    return sandbox


def _warn_of_nested(roots: list[Root]) -> None:
    """Each root has rules of its own, and a file that two of them lead to is as open as the more open one makes it."""
    for place, inner in enumerate(roots):
        above = _above(inner.path)
        for other, outer in enumerate(roots):
            same = outer.identity == inner.identity
            if other != place and outer.identity in above and not (same and other > place):
                _log.warning(
                    "the folder %s is %s the folder %s: what one of them hides or only reads is reached by the other",
                    *(inner.name, "the same as" if same else "within", outer.name),
                )


def _above(path: Path) -> set[tuple[int, int]]:
    """The identities of a directory and of those above it, wherever the links in its path lead."""
    found = set()
    for folder in (real := path.resolve(), *real.parents):
        with suppress(OSError):  # not ours to look at, so no root of ours either
            facts = folder.stat()
            found.add((facts.st_dev, facts.st_ino))
    return found


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


def _named_roots(settings: Iterable[RootSettings]) -> dict[str, Root]:
    """Open them all. Raises ``ConfigurationError`` for the first that cannot be, and closes the others."""
    found: dict[str, Root] = {}
    try:
        for item in settings:
            from holdfast.safe.paths import DEFAULT_DENY, Root

            found[item.name] = Root(
                item.path,
                name=item.name,
                read_only=item.read_only,
                deny=(*DEFAULT_DENY, *item.deny),
                max_read=item.max_read,
                max_write=item.max_write,
                one_mount=item.one_mount,
            )
    except BaseException:  # nobody else would close them
        for root in found.values():
            root.close()
        raise
    return found


_SETTING = {
    "workspace": "a workspace folder: set HOLDFAST_WORKSPACE",
    "database": "a database: set HOLDFAST_DATABASE",
}


def check_needs(operations: Iterable[Operation], sandbox: Sandbox) -> None:
    """Raise ``MissingSetting`` when an operation takes a handle that this server cannot give."""
    from holdfast.core.needs import needs_of

    for operation in operations:
        for need in sorted(needs_of(operation)):
            if not _met(need, sandbox):
                raise MissingSetting(f"{operation.kind} {operation.name} needs {_remedy(need)}")


def _met(need: str, sandbox: Sandbox) -> bool:
    kind, _, name = need.partition(":")
    return name in sandbox.roots if kind == "root" else getattr(sandbox, need, None) is not None


def _remedy(need: str) -> str:
    kind, _, name = need.partition(":")
    if kind == "root":
        return f'a folder named {name}: set HOLDFAST_ROOTS={{"{name}": {{"path": "/the/folder", "read_only": true}}}}'
    return _SETTING.get(need, need)
