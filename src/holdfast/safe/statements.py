"""The grammar of one read-only SQL statement: bounded tokens, one SELECT, allow-listed nodes, tables and functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import ConfigurationError, UnsafeQuery

if TYPE_CHECKING:
    from collections.abc import Iterable

_FUNCTIONS = (
    "abs avg ceil ceiling coalesce count cume_dist current_date current_time current_timestamp date datetime "
    "dense_rank first_value floor glob group_concat hex ifnull iif instr json_array_length json_extract json_type "
    "json_valid julianday lag last_value lead length like lower ltrim max min nth_value ntile nullif percent_rank "
    "rank replace round row_number rtrim sign strftime substr substring sum time total trim typeof unicode "
    "unixepoch upper -> ->>"
)
DEFAULT_FUNCTIONS: Final = frozenset(_FUNCTIONS.split())
"""SQLite functions that read nothing but their arguments, write nothing, and answer the same when asked again."""

MAX_TOKENS: Final = 1_000
"""Longer lists belong in parameters; 1,000 tokens parse in about 15 ms (measured, sqlglot 30)."""
MAX_NESTING: Final = 30
"""sqlglot raises RecursionError at 100 parentheses on an empty stack, below 50 on a deep one (measured), so nesting is
bounded before it is called."""
MAX_DEPTH: Final = 150
"""Depth of the parsed tree; chains such as ``a OR b OR ...`` lean to the left. SQLite's own limit is 1,000."""

_NODES = (
    "Select From Table Identifier Column Star Alias TableAlias Literal Boolean Null Paren Tuple Where Group "
    "Having Order Ordered Limit Offset Join With CTE Union Except Intersect Subquery Distinct Case If Cast "
    "DataType DataTypeParam Between In Like Glob Escape Is Not And Or EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ "
    "Add Sub Mul Div Mod Neg DPipe BitwiseAnd BitwiseOr BitwiseNot BitwiseLeftShift BitwiseRightShift Exists "
    "Window WindowSpec Filter Values Placeholder Collate Var HexString JSONPath JSONPathRoot JSONPathKey "
    "JSONPathSubscript"
)
_STRUCTURE: Final = frozenset(_NODES.split())
_SPELLED: Final = {  # sqlglot's node -> the SQLite function that it stands for, where the two names differ
    "Greatest": "max",
    "Least": "min",
    "Chr": "char",
    "StrPosition": "instr",
    "TimeToStr": "strftime",
    "TsOrDsToTimestamp": "datetime",
    "JSONExtract": "->",
    "JSONExtractScalar": "->>",
    "Ceil": "ceil",
    "CurrentDate": "current_date",
    "CurrentTime": "current_time",
    "CurrentTimestamp": "current_timestamp",
}
_OPENERS: Final = frozenset({"L_PAREN", "L_BRACKET", "L_BRACE", "CASE"})
_CLOSERS: Final = frozenset({"R_PAREN", "R_BRACKET", "R_BRACE", "END"})
_PREFIXES: Final = frozenset({"NOT", "DASH", "TILDE", "PLUS"})
_UNSENDABLE: Final = re.compile("[\x00\ud800-\udfff]")  # NUL ends a C string; a lone surrogate has no UTF-8
_FIRST: Final = frozenset({"SELECT", "WITH", "L_PAREN", "VALUES"})


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that passed: ``sql`` is the re-serialised text, the only text that is ever executed."""

    sql: str
    ctes: frozenset[str]
    """Names (in lower case) that its WITH clauses define; no real table may bear one of them."""
    aliases: frozenset[str]
    """Those, and the names of its subqueries. SQLite tells the authorizer only the innermost of such names or the
    view that is being read, so none of them may be the name of a view."""


class _TooMuchWork(Exception):
    """The parser went back and forth too often: a statement made to be slow."""


def require() -> None:
    """Say at build time that statements can be checked. Raises ``ConfigurationError``."""
    try:
        parser = _dialect()
        if check("SELECT 1", None, DEFAULT_FUNCTIONS).sql != "SELECT 1" or not parser.counts():
            raise ConfigurationError("this version of sqlglot cannot be bounded; install the one that holdfast names")
    except ImportError:
        raise ConfigurationError("SQL arguments need sqlglot: install holdfast[sql] or the package sqlglot") from None


def check(text: str, tables: frozenset[str] | None, functions: frozenset[str]) -> Statement:
    """Return the re-serialised statement if ``text`` is one read-only SELECT over ``tables``. Raises ``UnsafeQuery``.

    ``tables`` and ``functions`` hold names in lower case; ``tables=None`` leaves the tables to the authorizer, which
    knows the schema. Codes: ``query.statement``, ``query.function``, ``query.table``, ``query.too_deep``.
    """
    if _UNSENDABLE.search(text):
        raise UnsafeQuery("the statement holds characters that no statement needs", code="query.statement")
    # What is executed is what was checked: the text must be read again as the very statement it was written from.
    written = _checked(text, tables, functions)
    read_again = _checked(written.sql, tables, functions)
    if read_again.sql != written.sql:
        raise UnsafeQuery("the statement can be read in two ways; write it more plainly", code="query.statement")
    return read_again


def _checked(text: str, tables: frozenset[str] | None, functions: frozenset[str]) -> Statement:
    try:
        tree = _dialect().tree(text)
        nodes = _flatten(tree)
    except (RecursionError, _TooMuchWork):  # a chain that needs no brackets, or alternatives tried without end
        raise UnsafeQuery("the statement is nested too deeply; simplify it", code="query.too_deep") from None
    ctes = frozenset(node.alias.lower() for node in nodes if type(node).__name__ == "CTE")
    aliases = ctes | {node.alias.lower() for node in nodes if type(node).__name__ in ("Subquery", "Values")}
    for node in nodes:
        _check_node(node, functions)
    if tables is not None and aliases & tables:
        raise UnsafeQuery("a WITH name or alias may not be the name of a table", code="query.table")
    _check_tables(nodes, ctes, tables)
    return Statement(_dialect().text(tree), ctes, aliases)


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


def _check_node(node: Any, functions: frozenset[str]) -> None:
    kind = type(node).__name__
    if kind in _STRUCTURE:
        return
    if not _dialect().is_function(node):
        raise UnsafeQuery("only plain SELECT statements are taken; this part is not", code="query.statement")
    name = node.name if kind == "Anonymous" else _SPELLED.get(kind, node.sql_name())
    if str(name).lower() not in functions:
        raise UnsafeQuery(
            "a function that is not allowed; use common aggregate, text and date functions", code="query.function"
        )


def _check_tables(nodes: Iterable[Any], ctes: frozenset[str], tables: frozenset[str] | None) -> None:
    refused = UnsafeQuery("no such table, or it may not be read; ask for the schema", code="query.table")
    for node in nodes:
        if type(node).__name__ != "Table":
            continue
        name = node.name.lower()
        if type(node.this).__name__ != "Identifier" or node.catalog or node.db.lower() not in ("", "main"):
            raise refused
        if name.startswith(("sqlite_", "pragma_")) or not (tables is None or name in tables or name in ctes):
            raise refused


def _check_tokens(names: list[str]) -> None:
    """Bound count and nesting, and refuse what is not a single query, before the recursive parser sees it."""
    if not names or names[0] not in _FIRST or "SEMICOLON" in names:
        raise UnsafeQuery("send exactly one SELECT statement", code="query.statement")
    depth = prefixes = 0
    for name in names:
        depth += (name in _OPENERS) - (name in _CLOSERS)
        prefixes = prefixes + 1 if name in _PREFIXES else 0
        if depth > MAX_NESTING or prefixes > MAX_NESTING:
            raise UnsafeQuery("the statement is nested too deeply; simplify it", code="query.too_deep")


class _Dialect:
    """sqlglot's SQLite dialect, held in one place so that it loads on first use only."""

    def __init__(self) -> None:
        from sqlglot import exp
        from sqlglot.dialects.sqlite import SQLite
        from sqlglot.errors import ErrorLevel, SqlglotError

        self._dialect = SQLite()
        self._function: type[Any] = exp.Func
        self._error: type[Exception] = SqlglotError
        self._raise = ErrorLevel.RAISE
        self._parser: type[Any] = _bounded(SQLite.Parser)

    def counts(self) -> bool:
        """Whether the step counter is really called; a compiled sqlglot might bypass it."""
        parser = self._parser(error_level=self._raise, dialect=self._dialect)
        parser.parse(self._dialect.tokenize("SELECT 1"), "SELECT 1")
        return bool(parser.steps)

    def is_function(self, node: Any) -> bool:
        return isinstance(node, self._function)

    def text(self, tree: Any) -> str:
        return str(tree.sql(dialect=self._dialect, comments=False))

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
        except self._error:
            raise UnsafeQuery("not a valid SQLite SELECT statement", code="query.statement") from None
        if len(trees) != 1 or trees[0] is None or not self._is_query(trees[0]):
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
            raise UnsafeQuery("only plain SELECT statements are taken; this part is not", code="query.statement")

    return Bounded


@cache
def _dialect() -> _Dialect:
    return _Dialect()
