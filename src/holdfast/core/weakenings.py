"""Which settings make a server less strict than it is by default, one line for each."""

from __future__ import annotations

from holdfast.core.config import Settings
from holdfast.safe.policy import TEXT_TYPES, admits_type

_WEAKENINGS = (
    (lambda s: not s.audit.enabled, "audit.enabled=false: no audit log is kept"),
    (lambda s: s.audit.fail_open, "audit.fail_open=true: calls are served when the audit log cannot be written"),
    (lambda s: s.auth.required is False, "auth.required=false: HTTP callers need no token"),
    (lambda s: bool(s.auth.allow), "auth.allow: the issuer's keys may be fetched from named private addresses"),
    (lambda s: s.auth.failures > 30, "auth.failures: more than the default of 30 guesses a minute and address"),
    (lambda s: bool(s.http.allowed_origins), "http.allowed_origins: web pages of these origins may call"),
    (lambda s: bool(s.urls.allow), "urls.allow: named private addresses may be fetched"),
    (lambda s: not s.watchdog.enabled, "watchdog.enabled=false: a blocked event loop is not noticed"),
    (lambda s: s.limits.timeout > 30, "limits.timeout: above the default of 30 s"),
    (lambda s: s.limits.output > 1024 * 1024, "limits.output: above the default of 1 MiB"),
    (lambda s: s.limits.input > 1024 * 1024, "limits.input: above the default of 1 MiB"),
    (lambda s: s.limits.message > 4 * 1024 * 1024, "limits.message: above the default of 4 MiB"),
    (lambda s: s.limits.depth > 64, "limits.depth: above the default of 64"),
    (lambda s: s.limits.elements > 100_000, "limits.elements: above the default of 100,000"),
    (lambda s: not {80, 443}.issuperset(s.urls.ports), "urls.ports: others than 80 and 443 may be fetched from"),
    (lambda s: _more_than_text(s.urls.types), "urls.types: more than text may be read"),
    (lambda s: s.urls.timeout > 10, "urls.timeout: above the default of 10 s"),
    (lambda s: s.urls.max_bytes > 2 * 1024 * 1024, "urls.max_bytes: above the default of 2 MiB"),
    (lambda s: s.urls.max_body > 1024 * 1024, "urls.max_body: above the default of 1 MiB"),
    (lambda s: s.manifest.on_change == "flag", "manifest.on_change=flag: what is not as pinned is served all the same"),
)


def weakened(settings: Settings) -> list[str]:
    """The line of each setting that is weaker than its default."""
    return [line for test, line in _WEAKENINGS if test(settings)]


def _more_than_text(types: tuple[str, ...] | None) -> bool:
    """Whether there is a media type that the default does not take."""
    return types is not None and not all(kind in TEXT_TYPES or admits_type(kind, TEXT_TYPES) for kind in types)
