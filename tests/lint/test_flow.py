"""A caller's text on its way through a tool's code: where it arrives is found, and what is safe is left alone."""

from __future__ import annotations

import pytest
from support.linting import codes

TEXT = "Annotated[str, Field(max_length=50)]"


def tool(body: str, *, before: str = "", asynchronous: bool = True, takes: str = f"word: {TEXT}") -> str:
    """A tool that takes ``word`` and has this body."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    word = "async def" if asynchronous else "def"
    return (
        f"{before}\n\n@server.tool(read_only=True)\n{word} it({takes}) -> str:\n"
        f'    """Do a thing with a word."""\n{lines}\n'
    )


ARRIVES = [
    # paths
    ("HF110", "return open(word).read()"),
    ("HF110", "return open(file=word).read()"),
    ("HF110", "return open('/srv/' + word).read()"),
    ("HF110", "return open('/srv/%s' % word).read()"),
    ("HF110", "return open('/srv/{}'.format(word)).read()"),
    ("HF110", "return open(f'/srv/{word.strip()}').read()"),
    ("HF110", "return open(''.join(['/srv/', word])).read()"),
    ("HF110", "import os\nreturn str(os.listdir(os.path.join('/srv', word)))"),
    ("HF110", "from os import remove as gone\ngone(word)\nreturn ''"),
    ("HF110", "import os as system\nsystem.unlink(word)\nreturn ''"),
    ("HF110", "from pathlib import Path\nreturn Path(word).read_text()"),
    ("HF110", "from pathlib import Path\nreturn (Path('/srv') / word).read_text()"),
    ("HF110", "import pathlib\nbase = pathlib.Path('/srv')\nreturn base.joinpath(word).read_text()"),
    ("HF110", "from pathlib import Path\nbase = Path('/srv')\nreturn (base / word).read_text()"),
    ("HF110", "import shutil\nshutil.copy('/srv/a', word)\nreturn ''"),
    ("HF110", "import tarfile\nreturn str(tarfile.open(word).getnames())"),
    ("HF110", "a = b = word\nc, d = a, 1\nreturn open(c).read()"),
    ("HF110", "a = ''\na += word\nreturn open(a).read()"),
    ("HF110", "a = '/srv/x' if not word else word\nreturn open(a).read()"),
    ("HF110", "for part in word.split(','):\n    open(part)\nreturn ''"),
    ("HF110", "return str([open(part) for part in word.split(',')])"),
    ("HF110", "if (other := word.lower()):\n    open(other)\nreturn ''"),
    ("HF110", "try:\n    where = word\nexcept OSError:\n    where = 'x'\nreturn open(where).read()"),
    ("HF110", "places = {}\nplaces['x'] = word\nreturn open(places['x']).read()"),
    ("HF110", "import asyncio\nawait asyncio.to_thread(open, word)\nreturn ''"),
    ("HF110", "import functools\nfunctools.partial(open, word)()\nreturn ''"),
    ("HF110", "import asyncio\nawait asyncio.get_running_loop().run_in_executor(None, open, word)\nreturn ''"),
    ("HF110", "def inner():\n    return open(word).read()\nreturn inner()"),
    ("HF110", "match word:\n    case 'a':\n        return ''\n    case _:\n        return open(word).read()"),
    ("HF110", "while True:\n    open(last)\n    last = word"),
    (
        "HF110",
        "from pathlib import Path\nbase = Path('/srv')\nwith (base / word).open() as note:\n    return note.read()",
    ),
    ("HF110", "import builtins\nreturn builtins.open(word).read()"),
    ("HF110", "for first, *rest in [word.split()]:\n    open(rest)\nreturn ''"),
    (
        "HF110",
        "def inner(*words):\n    return open(words[0])\nmatch word:\n    case x if open(word):\n        return ''",
    ),
    ("HF114", "import jinja2\nreturn jinja2.Environment().from_string(word).render()"),
    # URLs
    ("HF111", "import requests\nreturn requests.get(word).text"),
    ("HF111", "import requests\nreturn requests.request('GET', word).text"),
    ("HF111", "import requests\nwith requests.Session() as s:\n    return s.get(url=word).text"),
    ("HF111", "import httpx\nclient = httpx.Client()\nreturn client.get('https://' + word).text"),
    ("HF111", "import httpx\nreturn httpx.Client().stream('GET', word).text"),
    ("HF111", "import aiohttp\nasync with aiohttp.ClientSession() as s, s.get(word) as r:\n    return await r.text()"),
    ("HF111", "from urllib.request import urlopen\nreturn str(urlopen(word).read())"),
    ("HF111", "import httpx\nreturn httpx.get(f'https://{word}.example/').text"),
    ("HF111", "import asyncio\nawait asyncio.open_connection(word, 80)\nreturn ''"),
    ("HF117", "import httpx\nreturn httpx.get('https://api.example/v1/' + word).text"),
    ("HF117", "import httpx\nurl = f'https://api.example/v1?q={word}'\nreturn httpx.get(url).text"),
    ("HF117", "import httpx\nreturn httpx.get('https://api.example/{}'.format(word)).text"),
    # SQL
    ("HF112", "cursor = object()\ncursor.execute('SELECT * FROM x WHERE y = ' + word)\nreturn ''"),
    ("HF112", "cursor = object()\nq = f'DELETE FROM {word}'\ncursor.executescript(q)\nreturn ''"),
    ("HF112", "import sqlalchemy\nreturn str(sqlalchemy.text(f'SELECT {word}'))"),
    # commands
    ("HF113", "import subprocess\nsubprocess.Popen(['ls', word])\nreturn ''"),
    ("HF113", "import subprocess\nargv = ['ls']\nargv[0:] = [word]\nsubprocess.Popen(argv)\nreturn ''"),
    ("HF113", "import os\nos.system('ls ' + word)\nreturn ''"),
    ("HF113", "import asyncio\nawait asyncio.create_subprocess_exec('ls', *word.split())\nreturn ''"),
    ("HF113", "import subprocess\nsubprocess.run(['ls'], cwd=word)\nreturn ''"),
    ("HF113", "import shlex, subprocess\nsubprocess.run(shlex.split(word))\nreturn ''"),
    ("HF113", "import subprocess\nrun = subprocess.run\nrun(['ls', word])\nreturn ''"),
    ("HF113", "import os\ngetattr(os, 'system')(word)\nreturn ''"),
    # code, loaders, patterns
    ("HF114", "return str(eval(word))"),
    ("HF114", "exec(compile(word, 'x', 'exec'))\nreturn ''"),
    ("HF114", "return str(getattr(server, word))"),
    ("HF114", "import importlib\nreturn str(importlib.import_module(word))"),
    ("HF114", "from jinja2 import Template\nreturn Template(word).render()"),
    ("HF115", "import pickle\nreturn str(pickle.loads(word.encode()))"),
    ("HF115", "import yaml\nreturn str(yaml.load(word))"),
    ("HF115", "import base64, pickle\nreturn str(pickle.loads(base64.b64decode(word)))"),
    ("HF116", "import re\nreturn str(re.compile(word))"),
    ("HF116", "from re import findall\nreturn str(findall(f'^{word}$', 'x'))"),
]


@pytest.mark.parametrize("code, body", ARRIVES)
def test_where_it_arrives_it_is_found(code: str, body: str, look) -> None:  # type: ignore[no-untyped-def]
    assert code in codes(look(tool(body)))


FLOWS = {"HF110", "HF111", "HF112", "HF113", "HF114", "HF115", "HF116", "HF117"}


@pytest.mark.parametrize(
    "body",
    [
        "return open('/srv/notes.txt').read()",
        "return open('/srv/notes.txt').read() + word",
        "with open('/srv/log', 'r') as log:\n    return log.read(len(word))",
        "place = {'a': '/srv/a'}[word]\nreturn open(place).read()",
        "if word not in ('a', 'b'):\n    raise ToolError('a or b')\nreturn open(word).read()",
        "word = 'fixed'\nreturn open(word).read()",
        "x: str\nclass Inner:\n    pass\nreturn ''",
        "import pathlib\nreturn str(pathlib.Path('/srv') / 'fixed')",
        "number = int(word)\nreturn open(f'/srv/{number}').read()",
        "import requests\nreturn requests.get('https://api.example/', params={'q': word}, timeout=3).text",
        "import requests\nreturn requests.post('https://api.example/', json={'q': word}, timeout=3).text",
        "import httpx\nfrom urllib.parse import quote\nreturn httpx.get(f'https://api.example/{quote(word)}').text",
        "cursor = object()\ncursor.execute('SELECT * FROM x WHERE y = ?', (word,))\nreturn ''",
        "import subprocess\nreturn subprocess.run(['wc'], input=word, capture_output=True, text=True).stdout",
        "import ast\nreturn str(ast.literal_eval(word))",
        "import json\nreturn str(json.loads(word))",
        "import yaml\nreturn str(yaml.load(word, Loader=yaml.SafeLoader))",
        "import re\nreturn str(re.search('^a+$', word))",
        "import re\nreturn str(re.search(re.escape(word), 'text'))",
        "return str({'get': 1}.get(word))",
        "words = {}\nreturn words.get(word, '')",
        "return word.replace('a', 'b').join(['x'])",
    ],
)
def test_what_is_safe_is_left_alone(body: str, look) -> None:  # type: ignore[no-untyped-def]
    assert codes(look(tool(body))) & FLOWS == set()


def test_a_helper_of_the_file_is_followed_and_the_place_is_where_it_happens(look) -> None:  # type: ignore[no-untyped-def]
    before = (
        "def load(where, mode='r'):\n    full = root(where)\n"
        "    return open(full, mode).read()\n\n\ndef root(x):\n    return '/srv/' + x\n"
    )
    found = [item for item in look(tool("return load(word)", before=before)) if item.code == "HF110"]
    assert len(found) == 1
    assert "open(full" in found[0].place.file.read_text().splitlines()[found[0].place.line - 1]


def test_a_helper_that_gives_the_authors_value_back_is_trusted(look) -> None:  # type: ignore[no-untyped-def]
    before = "def known(word):\n    return {'a': '/srv/a'}[word]\n"
    assert "HF110" not in codes(look(tool("return open(known(word)).read()", before=before)))


def test_helpers_that_call_each_other_for_ever_are_followed_to_an_end(look) -> None:  # type: ignore[no-untyped-def]
    before = "def one(x):\n    return two(x)\n\n\ndef two(x):\n    return one(x + 'a')\n"
    look(tool("return one(word)", before=before))


def test_a_client_of_the_module_counts(look) -> None:  # type: ignore[no-untyped-def]
    before = "class Made:\n    Client = object\n\n\nhttpx = Made\nclient = httpx.Client()\n"
    assert "HF111" in codes(look(tool("return client.get(word)", before=before)))


def test_a_tool_class_is_followed_through_its_arguments_and_methods(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    @server.add
    class Show(Tool):
        """Show the text of a note."""

        read_only = True

        class Input(ToolInput):
            name: Annotated[str, Field(max_length=50)]
            note: ReadPath
            number: Annotated[int, Field(ge=0, le=9)]

        async def run(self, args: Input, ctx: Context) -> str:
            open(f"/srv/{args.number}")
            await args.note.read_text()
            return self.load(args)

        def load(self, args):
            return open(args.name).read()
    '''
    found = [item for item in look(case) if item.code == "HF110"]
    assert len(found) == 1
    assert "args.name" in found[0].place.file.read_text().splitlines()[found[0].place.line - 1]


def test_handles_and_numbers_are_no_text(look) -> None:  # type: ignore[no-untyped-def]
    takes = "path: ReadPath, count: Annotated[int, Field(ge=0, le=9)], how: Literal['r', 'rb']"
    assert (
        codes(look(tool("open('/srv/x' + str(count), how)\nreturn await path.read_text()", takes=takes))) & FLOWS
        == set()
    )


def test_resources_prompts_and_schemas_of_the_authors_own_are_followed(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    @server.resource("note://{name}")
    async def note(name: str) -> str:
        """A note of somebody's."""
        return open("/srv/" + name).read()


    @server.prompt
    async def ask(topic: str) -> str:
        """Ask about a topic."""
        return open(topic).read()


    @server.tool(read_only=True, schema={"type": "object", "additionalProperties": False, "properties": {"a": {}}})
    async def raw(given: dict[str, Any]) -> str:
        """Take what the schema says."""
        return open(given["a"]).read()
    '''
    assert len([item for item in look(case) if item.code == "HF110"]) == 3


def test_nested_models_carry_text_too(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    class Inner(BaseModel):
        name: Annotated[str, Field(max_length=9)]


    @server.tool(read_only=True)
    async def show(items: Annotated[list[Inner], Field(max_length=3)]) -> str:
        """Show the notes of these names."""
        return "".join(open(item.name).read() for item in items)
    '''
    assert "HF110" in codes(look(case))


def test_any_number_of_words_are_handed_on(look) -> None:  # type: ignore[no-untyped-def]
    before = "def load(first, *rest):\n    return open(rest[0]).read()\n"
    assert "HF110" in codes(look(tool("return load('x', word)", before=before)))
    assert "HF110" not in codes(look(tool("return load(word, 'x')", before=before)))


def test_a_field_that_is_compared_with_the_authors_list_is_trusted(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    @server.add
    class Show(Tool):
        """Show the text of a note."""

        read_only = True

        class Input(ToolInput):
            name: Annotated[str, Field(max_length=50)]

        async def run(self, args: Input, ctx: Context) -> str:
            if args.name not in ("a", "b"):
                raise ToolError("a or b")
            return open(args.name).read()
    '''
    assert "HF110" not in codes(look(case))
