"""HF409 to HF411: names in mixed scripts, names of tools that clients bring along, and names that look alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from holdfast.lint.finding import Finding
from holdfast.lint.subject import Whole

KNOWN: Final = frozenset(
    {  # tools that coding and chat clients have themselves (their public documentation, 2025)
        "bash", "shell", "terminal", "execute_command", "run_command", "run_terminal_cmd", "apply_patch",
        "str_replace_editor", "str_replace_based_edit_tool", "computer", "web_search", "web_fetch",
        "websearch", "webfetch", "todo_write", "todowrite", "task", "attempt_completion",
        "ask_followup_question", "use_mcp_tool", "code_interpreter", "python", "browser",
    }
)  # fmt: skip
COMMON: Final = KNOWN | {
    # of the reference servers, and so common that they may be taken, but not imitated
    "read_file", "write_file", "edit_file", "list_directory", "search_files", "create_directory", "move_file",
    "read_text_file", "fetch", "query", "git_status", "git_diff", "git_log", "git_commit", "send_email", "send_message",
}  # fmt: skip
_FOLDED: Final = str.maketrans({"l": "1", "i": "1", "o": "0", "-": "", "_": ""})
_TOGETHER: Final = frozenset(
    {
        frozenset({"LATIN", "HIRAGANA", "KATAKANA", "CJK"}), frozenset({"LATIN", "HANGUL", "CJK"}),
        frozenset({"LATIN", "BOPOMOFO", "CJK"}),
    }
)  # fmt: skip
"""Scripts that are written together (UTS 39, 5.2: highly restrictive)."""
_WORD: Final = re.compile(r"\w+")


def find(whole: Whole) -> Iterator[Finding]:
    """Look at the names of everything, and at those of tools among each other."""
    seen: dict[str, str] = {}
    for subject in whole.subjects:
        operation = subject.operation
        if operation.kind == "completion":
            continue
        if any(map(is_mixed, (operation.name, operation.title or "", getattr(operation, "uri", "")))):
            yield Finding("HF409", f"{subject.label} is written in mixed scripts", subject.place)
        if operation.kind == "tool":
            for code, message in _tool(operation.name, seen):
                yield Finding(code, f"{subject.label} {message}", subject.place)
    if is_mixed(f"{whole.server.name} {whole.server.identity.get('title') or ''}"):
        yield Finding("HF409", "the server's name is written in mixed scripts", whole.home)


def _tool(name: str, seen: dict[str, str]) -> Iterator[tuple[str, str]]:
    """``seen`` are the names of the server's other tools by their folded form."""
    if name.lower().replace("-", "_") in KNOWN:
        yield "HF410", "has the name of a tool that clients bring along"
    known = (known for known in sorted(COMMON) if folded(known) == folded(name) and _differ(known, name))
    like = next(known, None) or seen.get(folded(name))
    if like is not None:
        yield "HF411", f"looks like {like}"
    seen.setdefault(folded(name), name)


def folded(name: str) -> str:
    """``name`` with everything made one that is hard to tell apart: case, separators, l/1/I, O/0, rn/m, vv/w."""
    return name.lower().replace("rn", "m").replace("vv", "w").translate(_FOLDED)


def _differ(one: str, other: str) -> bool:
    """Whether two names differ in more than the habit of writing them (``web-search``, ``WebSearch``)."""
    habit = str.maketrans({"-": "", "_": ""})
    return one.translate(habit).lower() != other.translate(habit).lower()


def is_mixed(text: str) -> bool:
    """Whether one word of ``text`` has letters of scripts that are not written together."""
    for word in _WORD.findall(text):
        scripts = frozenset(_script(char) for char in word if char.isalpha())
        if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
            return True
    return False


def _script(char: str) -> str:
    name = unicodedata.name(char, "OTHER").partition(" ")[0]
    if name in ("FULLWIDTH", "HALFWIDTH", "FEMININE", "MASCULINE", "MICRO", "MODIFIER"):
        return "LATIN"
    return "KATAKANA" if name.startswith("KATAKANA") else name
