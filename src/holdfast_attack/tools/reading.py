"""Whether a tool without annotations is there to be read from, by what it is called.

Most servers annotate nothing, and the protocol then supposes the worst of each tool. To try none of them would be to
judge no such server; so a tool is taken for one that reads when its verb says so and no other word says otherwise. What
its server says of it always goes before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from holdfast_attack.tools.vocabulary import each
from holdfast_attack.tools.words import singular, words_of

READS: Final = each(
    "read get list search find show view fetch query lookup look describe count check compare preview inspect explain"
    " stat head tail cat grep diff status info echo ping calculate compute convert parse validate verify measure"
    " estimate analyse analyze summarise summarize resolve browse tell return rank history which who what how is has"
)
"""What a tool does that leaves things as they are; a few nouns stand for it."""
ALWAYS_CHANGES: Final = each(
    "write overwrite create save delete remove update insert upsert replace edit append rename unlink set unset purge"
    " drop truncate send execute exec eval install uninstall kill mark modify mkdir touch"
)
"""Wherever it stands in a name: these are hardly ever nouns."""
CHANGES: Final = ALWAYS_CHANGES | each(
    "put make add patch move upload download import export deploy publish post reply mail notify run call invoke start"
    " stop restart cancel close open schedule trigger submit apply commit checkout merge rebase push pull clone reset"
    " stage stash tag book order buy sell pay transfer charge refund grant revoke approve reject assign lock unlock"
    " clear archive restore extract unpack compress copy sync swap rotate register subscribe enable disable toggle"
    " change adjust increment build store remember forget record cache fill generate render log train test"
)
"""As the verb of a name: elsewhere, and in the plural, many of them are nouns, as in ``list_commits``."""
_JOINS: Final = each("and or then")
_ADMITS: Final = ALWAYS_CHANGES - each("set mark touch")
"""In a description."""


def reads(name: str, title: str, description: str, annotations: Mapping[str, Any]) -> bool:
    """Whether the words of a tool, of which its server says nothing, say that it changes nothing."""
    if "readOnlyHint" in annotations or annotations.get("destructiveHint") is True:
        return False
    if ALWAYS_CHANGES & {*words_of(f"{name} {title}")} or _ADMITS & {*_singular(description)}:
        return False
    verbs = [*_verbs(words_of(name))] or [*_verbs(_singular(description)[:1])]
    return bool(verbs) and not CHANGES & {*verbs}


def _verbs(words: tuple[str, ...]) -> Iterator[str]:
    """The first word that is one, and those that are joined to it: ``fetch_and_store``."""
    first = next((word for word in words if word in READS | CHANGES), None)
    if first is None:
        return
    yield first
    for before, word in pairwise(words):
        if before in _JOINS:
            yield word


def _singular(text: str) -> tuple[str, ...]:
    """``Shows what it deletes`` has the verbs show and delete."""
    return tuple(map(singular, words_of(text)))
