"""One query as sqlglot's tree: bounded before it is parsed, every node of an allowed kind, written out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import UnsafeQuery
from holdfast.safe.growth import MAX_GROWTH, growth
from holdfast.safe.sqlrefusals import no_function, not_plain, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TOKENS: Final = 1_000
"""Longer lists belong in parameters; 1,000 tokens parse in about 15 ms (measured, sqlglot 30)."""
MAX_NESTING: Final = 30
"""sqlglot raises RecursionError at 100 parentheses on an empty stack, below 50 on a deep one (measured), so nesting is
bounded before it is called."""
MAX_DEPTH: Final = 150
"""Depth of the parsed tree; chains such as ``a OR b OR ...`` lean to the left. SQLite's own limit is 1,000."""
_OPENERS: Final = frozenset({"L_PAREN", "L_BRACKET", "L_BRACE", "CASE"})
_CLOSERS: Final = frozenset({"R_PAREN", "R_BRACKET", "R_BRACE", "END"})
_PREFIXES: Final = frozenset({"NOT", "DASH", "TILDE", "PLUS"})
_VERBS: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
_FIRST: Final = frozenset({"SELECT", "WITH", "L_PAREN", "VALUES"})


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """What one database's statements are made of. ``dialect`` is sqlglot's name for it."""

    dialect: str
    label: str
    nodes: frozenset[str]
    """Kinds of nodes that are no function calls; every other kind is refused."""
    spelled: Mapping[str, str]
    """Kind of node -> the function that it stands for, where sqlglot's own name is another."""


class _TooMuchWork(Exception):
    """The parser went back and forth too often: a statement made to be slow."""


def parsed(text: str, grammar: Grammar, functions: frozenset[str]) -> tuple[Any, list[Any]]:
    """The tree of one query and all its nodes, each of an allowed kind. Raises ``UnsafeQuery``."""
    try:
        tree = dialect_of(grammar).tree(text)
        nodes = _flatten(tree)
        too_large = growth(tree, {}) > MAX_GROWTH
    except (RecursionError, _TooMuchWork):  # a chain that needs no brackets, or alternatives tried without end
        raise too_deep() from None
    for node in nodes:
        _check_node(node, grammar, functions)
    if too_large:
        raise too_deep()
    return tree, nodes


def written(tree: Any, grammar: Grammar, **options: Any) -> str:
    """The text of a tree. Raises ``UnsafeQuery`` when it is nested too deeply to be written."""
    try:
        return dialect_of(grammar).text(tree, **options)
    except RecursionError:
        raise too_deep() from None


def names_of(nodes: Iterable[Any], *kinds: str) -> frozenset[str]:
    """The names, in lower case, that WITH clauses and subqueries of these kinds bear."""
    return frozenset(node.alias.lower() for node in nodes if type(node).__name__ in kinds and node.alias)


def _flatten(tree: Any) -> list[Any]:
    """All nodes, breadth first and without recursion, so that depth can be bounded before anything recurses."""
    nodes: list[Any] = []
    level = [tree]
    for _ in range(MAX_DEPTH):
        nodes += level
        level = [child for node in level for child in node.iter_expressions()]
        if not level:
            return nodes
    raise _TooMuchWork


def _check_node(node: Any, grammar: Grammar, functions: frozenset[str]) -> None:
    kind = type(node).__name__
    if kind == "CTE" and node.args.get("materialized") is False:
        raise not_plain()  # each mention would be planned anew: 2**n joins over n of them, and no clock while planning
    if kind in grammar.nodes:
        return
    if not dialect_of(grammar).is_function(node):
        raise not_plain()
    name = node.name if kind == "Anonymous" else grammar.spelled.get(kind, node.sql_name())
    if str(name).lower() not in functions:
        raise no_function()


def _check_tokens(names: list[str]) -> None:
    """Bound count and nesting, and refuse what is not a single query, before the recursive parser sees it."""
    if not names or names[0] not in _FIRST or "SEMICOLON" in names:
        raise UnsafeQuery("send exactly one SELECT statement", code="query.statement")
    depth = prefixes = 0
    for name in names:
        depth += (name in _OPENERS) - (name in _CLOSERS)
        prefixes = prefixes + 1 if name in _PREFIXES else 0
        if depth > MAX_NESTING or prefixes > MAX_NESTING:
            raise too_deep()


class _Dialect:
    """One of sqlglot's dialects, held in one place so that it loads on first use only."""

    def __init__(self, grammar: Grammar) -> None:
        from sqlglot import exp
        from sqlglot.dialects.dialect import Dialect
        from sqlglot.errors import ErrorLevel

        self._label = grammar.label
        self._dialect = Dialect.get_or_raise(grammar.dialect)
        self._function: type[Any] = exp.Func
        self._raise = ErrorLevel.RAISE
        self._parser: type[Any] = _bounded(self._dialect.parser_class)

    def counts(self) -> bool:
        """Whether the step counter is really called; a compiled sqlglot might bypass it."""
        parser = self._parser(error_level=self._raise, dialect=self._dialect)
        parser.parse(self._dialect.tokenize("SELECT 1"), "SELECT 1")
        return bool(parser.steps)

    def is_function(self, node: Any) -> bool:
        return isinstance(node, self._function)

    def verb(self, text: str) -> str:
        """The first of the five verbs that stands in no parenthesis."""
        depth = 0
        for name in (token.token_type.name for token in self._dialect.tokenize(text)):
            depth += (name == "L_PAREN") - (name == "R_PAREN")
            if not depth and name in _VERBS:
                return name
        return ""

    def text(self, tree: Any, **options: Any) -> str:
        try:
            return str(tree.sql(dialect=self._dialect, comments=False, unsupported_level=self._raise, **options))
        except RecursionError:
            raise
        except Exception:  # what sqlglot cannot write it would leave out, with a word to the log; or it fails itself
            raise not_plain() from None

    def tree(self, text: str) -> Any:
        try:
            tokens = self._dialect.tokenize(text)
            if len(tokens) > MAX_TOKENS:
                raise UnsafeQuery("the statement is too long; pass lists as parameters", code="query.too_deep")
            while tokens and tokens[-1].token_type.name == "SEMICOLON":
                tokens.pop()
            _check_tokens([token.token_type.name for token in tokens])
            parser = self._parser(error_level=self._raise, dialect=self._dialect)
            trees = parser.parse(tokens, text)
        except (UnsafeQuery, RecursionError, _TooMuchWork):
            raise
        except Exception:  # whatever it is: sqlglot fails on broken text with its own bugs too (IndexError on "[ $1 [")
            raise UnsafeQuery(f"not a valid {self._label} SELECT statement", code="query.statement") from None
        if len(trees) != 1 or not self._is_query(trees[0]):
            raise UnsafeQuery("send exactly one SELECT statement", code="query.statement")
        return trees[0]

    @staticmethod
    def _is_query(tree: Any) -> bool:
        return type(tree).__name__ in ("Select", "Union", "Except", "Intersect", "Values", "Subquery")


def _bounded(base: type[Any]) -> type[Any]:
    """A parser that counts its steps: sqlglot tries alternatives again and again, in exponential time.

    Measured with sqlglot 30.30: sixteen ``JOIN b`` without ``ON`` took 2.2 s, fourteen ``STRUCT<`` 1.4 s, each more
    doubling it; the parser runs on the event loop. Ordinary statements take one to three steps a token, and a step
    up to 30 us: the bound below keeps the worst statement of 1,000 tokens under 100 ms.
    """

    class Bounded(base):  # type: ignore[misc]  # the base is only known once sqlglot is loaded
        steps = 0

        def _advance(self, times: int = 1) -> None:
            self.steps += 1
            if self.steps > 300 + 3 * self._tokens_size:
                raise _TooMuchWork
            super()._advance(times)

        def _warn_unsupported(self) -> None:
            # sqlglot would write the statement to the log and go on with an opaque node.
            raise not_plain()

    return Bounded


@cache
def dialect_of(grammar: Grammar) -> _Dialect:
    """The dialect of a grammar; loads sqlglot. Raises ``ImportError``."""
    return _Dialect(grammar)
