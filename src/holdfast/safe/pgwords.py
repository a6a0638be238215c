"""The second reading of a PostgreSQL statement: every word of the text that will run, without sqlglot's help.

The tree is sqlglot's idea of a statement; what runs is text. This reader knows nothing of grammar: it splits the text
as PostgreSQL's own scanner does (postgresql.org/docs/16/sql-syntax-lexical.html) and takes only listed words, listed
operators, and listed functions before a parenthesis. Names stand in double quotes, so that a bare word is never a name.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from holdfast.safe.sqlrefusals import no_function, not_plain

_KEYWORDS = (
    "ALL AND ANY AS ASC AT BETWEEN BOTH BY CASE CAST COLLATE CROSS CURRENT DESC DISTINCT ELSE END ESCAPE EXCEPT EXISTS "
    "EXTRACT FALSE FILTER FIRST FOLLOWING FOR FROM FULL GROUP GROUPS HAVING ILIKE IN INNER INTERSECT INTERVAL IS JOIN "
    "LAST LEADING LEFT LIKE LIMIT MATERIALIZED NATURAL NOT NULL NULLS OFFSET ON OR ORDER OUTER OVER PARTITION POSITION "
    "PRECEDING RANGE RECURSIVE RIGHT ROW ROWS SELECT THEN TIME TRAILING TRUE UNBOUNDED UNION USING VALUES WHEN WHERE "
    "WINDOW WITH WITHIN ZONE"
)
_UNITS = (
    "CENTURY DAY DECADE DOW DOY EPOCH HOUR ISODOW ISOYEAR MICROSECONDS MILLISECONDS MINUTE MONTH QUARTER SECOND WEEK "
    "YEAR"
)
_TYPES = (
    "BIGINT BOOLEAN BPCHAR BYTEA CHAR DATE DECIMAL DOUBLE INT JSON JSONB NUMERIC PRECISION REAL SMALLINT TEXT "
    "TIMESTAMP TIMESTAMPTZ UUID VARCHAR"
)
_NOW = "CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP"
_WORDS: Final = frozenset(f"{_KEYWORDS} {_UNITS} {_TYPES} {_NOW}".split())
_BEFORE = (
    "ALL AND ANY AS BETWEEN BY CASE CAST CHAR BPCHAR DECIMAL DISTINCT ELSE EXCEPT EXISTS EXTRACT FILTER FROM GROUP "
    "HAVING IN INTERSECT IS JOIN LIKE ILIKE LIMIT MATERIALIZED NOT NUMERIC OFFSET ON OR OVER POSITION SELECT THEN "
    "UNION USING VALUES VARCHAR WHEN WHERE TIME TIMESTAMP TIMESTAMPTZ CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME "
    "LOCALTIMESTAMP"
)
_BEFORE_PARENTHESIS: Final = frozenset(_BEFORE.split())
"""Words that a parenthesis may follow without a function being called (the last four take a number of digits)."""
_SIGNS = "= <> < > <= >= + - * / % || & | # ~ << >> -> ->> #> #>> @> <@ && . , ( ) [ ] :"
_OPERATORS: Final = frozenset(_SIGNS.split())
"""No comment begins with one of them: ``--`` and ``/*`` are read as operators, the longest that stand there."""
_TOKEN: Final = re.compile(
    r"""(?P<space>[ \n]+)
      | (?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")+")
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<parameter>\$[0-9]{1,5})
      | (?P<operator>[-+*/<>=~!@\#%^&|?]+|::|[.,()\[\]:])""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """One piece of the text; ``glued`` when nothing stands between it and the piece before."""

    kind: str
    text: str
    glued: bool


_NOTHING: Final = Token("", "", False)


def check_words(sql: str, functions: frozenset[str]) -> None:
    """Refuse ``sql`` unless each of its words, operators and calls is listed. Raises ``UnsafeQuery``."""
    tokens = _split(sql)
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else _NOTHING
        opens = place + 1 < len(tokens) and tokens[place + 1].text == "("
        if token.text.upper() == "MATERIALIZED" and before.text != "AS":
            raise not_plain()  # NOT MATERIALIZED: planned anew at each mention
        if token.kind == "word":
            _check_word(token.text.upper(), functions, opens)
        elif token.kind == "name" and opens and not _names_columns(tokens, place):
            raise no_function()
        elif token.kind == "string" and token.glued and before.kind == "word":
            raise not_plain()  # E'..', N'..', B'..': a string that is not what it looks like
        elif token.kind == "string" and before.kind in ("name", "string"):
            raise not_plain()  # "regclass" 'x' is a cast, and two strings in a row are one
        elif token.kind == "operator" and token.text not in _OPERATORS:
            raise not_plain()


def _split(sql: str) -> list[Token]:
    tokens: list[Token] = []
    place, glued = 0, False
    while place < len(sql):
        found = _TOKEN.match(sql, place)
        if found is None:
            raise not_plain()
        kind = str(found.lastgroup)
        if kind == "number" and glued and tokens[-1].kind == "word":
            raise not_plain()
        if kind == "space":
            glued = False
        else:
            tokens.append(Token(kind, found[0], glued))
            glued = True
        place = found.end()
    return tokens


def _check_word(word: str, functions: frozenset[str], opens: bool) -> None:
    if opens and word not in _BEFORE_PARENTHESIS and word.lower() not in functions:
        raise no_function()
    if not opens and word not in _WORDS:
        raise not_plain()


def _names_columns(tokens: list[Token], place: int) -> bool:
    """Whether the parenthesis after a quoted name lists the columns of an alias or a WITH clause: it calls nothing."""
    end = place + 2
    while end < len(tokens) and (tokens[end].kind == "name" or tokens[end].text == ","):
        end += 1
    if end >= len(tokens) or tokens[end].text != ")" or place == 0:
        return False
    before = tokens[place - 1].text.upper()
    if before == "AS":
        return True
    after = [token.text.upper() for token in tokens[end + 1 : end + 6]]
    if before not in ("WITH", "RECURSIVE", ",") or after[:1] != ["AS"]:
        return False
    body = [word for word in after[1:] if word != "MATERIALIZED"]
    # f(x) AS (values int) calls f: of these words it is the one that may name a column
    return body[:2] in (["(", "SELECT"], ["(", "WITH"], ["(", "("]) or body[:3] == ["(", "VALUES", "("]
