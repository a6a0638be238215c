"""The grammar of one read-only SQL statement: bounded tokens, one SELECT, allow-listed nodes, tables and functions.

The bounds and the walk over the tree serve every database; the lists here are SQLite's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
MAX_GROWTH: Final = 1_000
"""How often one column may stand for itself once subqueries are folded into each other. PostgreSQL's planner copies
the expressions of a subquery into the outer one without looking at its clock: twenty levels of ``x || x`` are a
million."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """What one database's statements are made of. ``dialect`` is sqlglot's name for it."""

    dialect: str
    label: str
    nodes: frozenset[str]
    """Kinds of nodes that are no function calls; every other kind is refused."""
    spelled: Mapping[str, str]
    """Kind of node -> the function that it stands for, where sqlglot's own name is another."""


SQLITE: Final = Grammar("sqlite", "SQLite", frozenset(_NODES.split()), _SPELLED)
_OPENERS: Final = frozenset({"L_PAREN", "L_BRACKET", "L_BRACE", "CASE"})
_CLOSERS: Final = frozenset({"R_PAREN", "R_BRACKET", "R_BRACE", "END"})
_PREFIXES: Final = frozenset({"NOT", "DASH", "TILDE", "PLUS"})
_UNSENDABLE: Final = re.compile("[\x00\ud800-\udfff]")  # NUL ends a C string; a lone surrogate has no UTF-8
_QUERIES: Final = frozenset({"Select", "Union", "Except", "Intersect", "Subquery"})
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
        parser = _dialect(SQLITE)
        if check("SELECT 1", None, DEFAULT_FUNCTIONS).sql != "SELECT 1" or not parser.counts():
            raise ConfigurationError("this version of sqlglot cannot be bounded; install the one that holdfast names")
    except ImportError:
        raise ConfigurationError("SQL arguments need sqlglot: install holdfast[sql] or the package sqlglot") from None


def check(text: str, tables: frozenset[str] | None, functions: frozenset[str]) -> Statement:
    """Return the re-serialised statement if ``text`` is one read-only SELECT over ``tables``. Raises ``UnsafeQuery``.

    ``tables`` and ``functions`` hold names in lower case; ``tables=None`` leaves the tables to the authorizer, which
    knows the schema. Codes: ``query.statement``, ``query.function``, ``query.table``, ``query.too_deep``.
    """
    refuse_unsendable(text)
    # What is executed is what was checked: the text must be read again as the very statement it was written from.
    written = _checked(text, tables, functions)
    read_again = _checked(written.sql, tables, functions)
    if read_again.sql != written.sql:
        raise ambiguous()
    return read_again


def refuse_unsendable(text: str) -> None:
    """Raise ``UnsafeQuery`` for characters that end a C string or have no UTF-8."""
    if _UNSENDABLE.search(text):
        raise UnsafeQuery("the statement holds characters that no statement needs", code="query.statement")


def ambiguous() -> UnsafeQuery:
    """The refusal of a statement whose own text means something else than it did."""
    return UnsafeQuery("the statement can be read in two ways; write it more plainly", code="query.statement")


def parsed(text: str, grammar: Grammar, functions: frozenset[str]) -> tuple[Any, list[Any]]:
    """The tree of one query and all its nodes, each of an allowed kind. Raises ``UnsafeQuery``."""
    try:
        tree = _dialect(grammar).tree(text)
        nodes = _flatten(tree)
        too_large = growth(tree, {}) > MAX_GROWTH
    except (RecursionError, _TooMuchWork):  # a chain that needs no brackets, or alternatives tried without end
        raise too_deep() from None
    for node in nodes:
        _check_node(node, grammar, functions)
    if too_large:
        raise too_deep()
    return tree, nodes


def too_deep() -> UnsafeQuery:
    """The refusal of whatever would take the parser or a planner too long."""
    return UnsafeQuery("the statement is nested too deeply; simplify it", code="query.too_deep")


def written(tree: Any, grammar: Grammar, **options: Any) -> str:
    """The text of a tree. Raises ``UnsafeQuery`` when it is nested too deeply to be written."""
    try:
        return _dialect(grammar).text(tree, **options)
    except RecursionError:
        raise too_deep() from None


def names_of(nodes: Iterable[Any], *kinds: str) -> frozenset[str]:
    """The names, in lower case, that WITH clauses and subqueries of these kinds bear."""
    return frozenset(node.alias.lower() for node in nodes if type(node).__name__ in kinds and node.alias)


def growth(query: Any, known: dict[str, int]) -> int:
    """How many copies of a column the widest expression of ``query`` holds once its subqueries are folded into it."""
    known = dict(known)
    for cte in _ctes(query):
        known[cte.alias.lower()] = growth(cte.this, known)
    if type(query).__name__ in ("Union", "Except", "Intersect"):
        return max(growth(query.left, known), growth(query.right, known))
    if type(query).__name__ == "Subquery":
        return growth(query.this, known)
    inner = max([1, *(_brought(part, known) for part in query.iter_expressions() if type(part).__name__ != "With")])
    shown = query.expressions if type(query).__name__ == "Select" else []
    width = max([1, *(sum(type(node).__name__ == "Column" for node in each.walk()) for each in shown)])
    return int(min(inner * width, MAX_GROWTH + 1))


def _brought(part: Any, known: dict[str, int]) -> int:
    """The growth of the subqueries and WITH names in one part of a query."""
    most = 1
    for node in part.walk(prune=lambda n: type(n).__name__ in _QUERIES):
        if type(node).__name__ in _QUERIES:
            most = max(most, growth(node, known))
        elif type(node).__name__ == "Table":
            most = max(most, known.get(node.name.lower(), 1))
    return most


def _ctes(query: Any) -> list[Any]:
    found = query.args.get("with_")
    return list(found.expressions) if found is not None else []


def _checked(text: str, tables: frozenset[str] | None, functions: frozenset[str]) -> Statement:
    tree, nodes = parsed(text, SQLITE, functions)
    ctes = names_of(nodes, "CTE")
    aliases = ctes | names_of(nodes, "Subquery", "Values")
    if tables is not None and aliases & tables:
        raise UnsafeQuery("a WITH name or alias may not be the name of a table", code="query.table")
    _check_tables(nodes, ctes, tables)
    return Statement(written(tree, SQLITE), ctes, aliases)


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
    if kind in grammar.nodes:
        return
    if not _dialect(grammar).is_function(node):
        raise not_plain()
    name = node.name if kind == "Anonymous" else grammar.spelled.get(kind, node.sql_name())
    if str(name).lower() not in functions:
        raise no_function()


def not_plain() -> UnsafeQuery:
    """The refusal of whatever is no part of a plain query."""
    return UnsafeQuery("only plain SELECT statements are taken; this part is not", code="query.statement")


def no_function() -> UnsafeQuery:
    """The refusal of a function that is not listed."""
    return UnsafeQuery(
        "a function that is not allowed; use common aggregate, text and date functions", code="query.function"
    )


def no_table() -> UnsafeQuery:
    """The refusal of a table that is not listed, or is not there."""
    return UnsafeQuery("no such table, or it may not be read; ask for the schema", code="query.table")


def _check_tables(nodes: Iterable[Any], ctes: frozenset[str], tables: frozenset[str] | None) -> None:
    for node in nodes:
        if type(node).__name__ != "Table":
            continue
        name = node.name.lower()
        if type(node.this).__name__ != "Identifier" or node.catalog or node.db.lower() not in ("", "main"):
            raise no_table()
        if name.startswith(("sqlite_", "pragma_")) or not (tables is None or name in tables or name in ctes):
            raise no_table()


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
            raise not_plain()

    return Bounded


@cache
def _dialect(grammar: Grammar) -> _Dialect:
    return _Dialect(grammar)
