"""Arguments by their names, formats, descriptions, patterns and bounds, at any depth."""

from __future__ import annotations

import pytest
from support.linting import codes

INPUTS = {"HF101", "HF102", "HF103", "HF104", "HF105", "HF106", "HF504"}


WORDS = """
PATH, URL, SQL = "Absolute path to the note", "The URL of the page", "An SQL statement"
from pydantic import WithJsonSchema

BROKEN = {"type": "string", "pattern": "("}
FORMAT, DOT, LETTERS = {"format": "uri"}, ".", "^[a-z]+$"
"""


def taking(parameter: str) -> str:
    return (
        f"{WORDS}\n\n@server.tool(read_only=True)\nasync def it({parameter}) -> str:\n"
        f'    """Do a thing with it."""\n    return ""\n'
    )


def text(*extra: str) -> str:
    return f"Annotated[str, Field({', '.join(('max_length=50', *extra))})]"


@pytest.mark.parametrize(
    "code, parameter",
    [
        *(("HF101", f"{name}: {text()}") for name in ("path", "outputFile", "fileName", "target_dir", "folder")),
        ("HF101", f"where: {text('description=PATH')}"),
        ("HF101", f"paths: Annotated[list[{text()}], Field(max_length=3)]"),
        ("HF101", f"path: {text()} | None = None"),
        ("HF101", "path: ReadPath | Annotated[str, Field(max_length=9)] | None = None"),
        ("HF101", f"path: {text('pattern=DOT')}"),
        ("HF101", f"path: Annotated[{text()}, WithJsonSchema(BROKEN)]"),
        ("HF102", f"url: {text()}"),
        ("HF102", f"callbackUrl: {text()}"),
        ("HF102", f"where: {text('json_schema_extra=FORMAT')}"),
        ("HF102", f"page: {text('description=URL')}"),
        ("HF102", f"webhook: {text()}"),
        ("HF103", f"query: {text()}"),
        ("HF103", f"sql_query: {text()}"),
        ("HF103", f"text: {text('description=SQL')}"),
        ("HF104", f"command: {text()}"),
        ("HF104", f"cmd: {text()}"),
        ("HF104", f"cli_args: Annotated[list[{text()}], Field(max_length=3)]"),
        ("HF105", "thing: Any"),
        ("HF105", "thing: dict"),
        ("HF105", "thing: dict[str, Any]"),
        ("HF105", "thing: Annotated[list[Any], Field(max_length=3)]"),
        ("HF106", "word: str"),
        ("HF106", "count: int"),
        ("HF106", "count: Annotated[int, Field(ge=0)]"),
        ("HF106", f"words: list[{text()}]"),
        ("HF106", "words: dict[str, bool]"),
        ("HF504", f"password: {text()}"),
        ("HF504", f"apiKey: {text()}"),
        ("HF504", f"user_access_token: {text()}"),
    ],
)  # fmt: skip
def test_what_looks_dangerous_is_found(code: str, parameter: str, look) -> None:  # type: ignore[no-untyped-def]
    assert code in codes(look(taking(parameter)))


@pytest.mark.parametrize(
    "parameter",
    [
        "path: ReadPath",
        "path: Annotated[ReadPath, Field(description='Path of the note')]",
        "path: WritePath | None = None",
        "paths: Annotated[list[ReadPath], Field(max_length=3)]",
        "folder: DirPath = '.'",
        "url: PublicUrl",
        "sql: ReadQuery",
        "password: SecretValue",
        f"path: {text('pattern=LETTERS')}",
        "file: Literal['a.txt', 'b.txt']",
        "file_size: Annotated[int, Field(ge=0, le=9)]",
        f"file_kind: {text()}",
        f"search_query: {text()}",
        f"page_token: {text()}",
        f"profile: {text()}",
        f"fragment: {text()}",
        "thing: dict[Literal['a'], bool] | None = None",
        "when: bool",
        "words: Annotated[dict[str, bool], Field(max_length=3)]",
        "pair: tuple[bool, bool]",
    ],
)
def test_what_is_guarded_or_harmless_is_left_alone(parameter: str, look) -> None:  # type: ignore[no-untyped-def]
    assert codes(look(taking(parameter))) & (INPUTS - {"HF106"}) == set()


def test_names_in_nested_models_and_aliases_count_and_the_argument_is_named(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    class Inner(BaseModel):
        target: Annotated[str, Field(max_length=9, alias="filePath")]


    class Outer(BaseModel):
        inner: Annotated[list[Inner], Field(max_length=2)]
        again: "Outer | None" = None


    @server.tool(read_only=True)
    async def it(outer: Outer) -> str:
        """Do a thing with it."""
        return ""
    '''
    found = [item for item in look(case) if item.code == "HF101"]
    assert [item.message for item in found] == ["tool it: outer (filePath) looks like a path and is a plain string"]


def test_a_tool_class_is_judged_at_the_line_of_its_field(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    @server.add
    class It(Tool):
        """Do a thing with it."""

        read_only = True

        class Input(ToolInput):
            count: Annotated[int, Field(ge=0, le=9)]
            file_path: Annotated[str, Field(max_length=9)]

        async def run(self, args: Input, ctx: Context) -> str:
            return ""
    '''
    (found,) = [item for item in look(case) if item.code == "HF101"]
    line = found.place.file.read_text().splitlines()[found.place.line - 1]
    assert line.strip().startswith("file_path")
    assert line[found.place.column - 1 :].startswith("file_path")


def test_a_schema_of_the_authors_own_is_judged_too(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    @server.tool(read_only=True, schema={"type": "object", "properties": {"url": {"type": "string", "maxLength": 9}}})
    async def it(given: dict[str, Any]) -> str:
        """Do a thing with it."""
        return ""
    '''
    found = look(case)
    assert codes(found) == {"HF102", "HF105"}
    assert "arguments that its schema does not name" in " ".join(item.message for item in found)


def test_templates_and_prompts_are_judged_and_only_tools_need_bounds(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    @server.resource("note://{path}")
    async def note(path: str) -> str:
        """A note of somebody's."""
        return path


    @server.prompt
    async def ask(url: str) -> str:
        """Ask about a web page."""
        return url


    @server.completion("ask", "url")
    async def urls(value: str) -> list[str]:
        return []
    '''
    assert codes(look(case)) == {"HF101", "HF102"}
