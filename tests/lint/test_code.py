"""What code in a server should not do, with secrets, facts and limits; and what only looks like it."""

from __future__ import annotations

import pytest
from support.linting import codes

from holdfast.core.config import Settings


def tool(
    body: str, *, facts: str = "read_only=True", asynchronous: bool = True, before: str = "", takes: str = ""
) -> str:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    word = "async def" if asynchronous else "def"
    return (
        f'{before}\n\n@server.tool({facts})\n{word} it({takes}) -> str:\n    """Do a thing with nothing."""\n{lines}\n'
    )


@pytest.mark.parametrize(
    "code, case",
    [
        ("HF503", tool("import os\nreturn os.environ['DB_PASSWORD']")),
        ("HF503", tool("import os\nreturn os.getenv('GITHUB_TOKEN', '')")),
        ("HF503", "from os import environ\nKEY = environ.get('API_KEY')\n"),
        ("HF502", "password = 'tr0ub4dor&3x9'\n"),
        ("HF502", "CONFIG = {'api_key': 'a8f5f167f44f4964e6c998dee827110c'}\n"),
        ("HF502", "def connect(password='c0rrect-horse-9'): ...\n\n\nconnect(password='c0rrect-horse-9')\n"),
        ("HF502", "PEM = '-----BEGIN RSA PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA\\n-----END RSA PRIVATE KEY-----'\n"),
        ("HF502", "URL = b'postgres://app:hunter22@db.example/x'\n"),
        ("HF601", tool("import sys\nsys.stdout.write('x')\nreturn ''")),
        ("HF601", tool("import os\nos.write(1, b'x')\nreturn ''")),
        ("HF601", tool("import sys\nprint('x', file=sys.stdout)\nreturn ''")),
        ("HF601", "print('made')\n"),
        ("HF602", tool("import requests\nreturn requests.get('https://x.example', timeout=3).text")),
        ("HF602", tool("import httpx\nreturn httpx.get('https://x.example').text")),
        ("HF602", tool("from subprocess import run\nrun(['ls'])\nreturn ''")),
        ("HF602", tool("return helper()", before=("async def later():\n    import time\n\n    time.sleep(1)\n\n\n"
"def helper():\n"
"    return ''\n"))),
        ("HF603", tool("import asyncio\ntry:\n    await asyncio.sleep(1)\nexcept BaseException:\n    pass\nreturn ''")),
        ("HF603", tool("import asyncio\ntry:\n    await asyncio.sleep(1)\n"
"except (OSError, asyncio.CancelledError):\n    pass\nreturn ''")),
        ("HF603", tool("import asyncio, contextlib\nwith contextlib.suppress(asyncio.CancelledError):\n"
"    await asyncio.sleep(1)\nreturn ''")),
        ("HF604", tool("KEPT['x'] = 1\nreturn ''", before="KEPT = {}\n")),
        ("HF604", tool("global COUNT\nCOUNT = 2\nreturn ''", before="COUNT = 1\n")),
        ("HF604", tool("del KEPT['x']\nreturn ''", before="KEPT: dict[str, int] = {}\n")),
        ("HF604", tool("KEPT.append(1)\nreturn ''", before="from collections import deque\n\nKEPT = deque()\n")),
        ("HF605", tool("import os\nos.system('ls')\nreturn ''", asynchronous=False)),
        ("HF605", tool("import asyncio\nawait asyncio.create_subprocess_shell('ls')\nreturn ''")),
        ("HF606", tool("import httpx\nhttpx.AsyncClient(verify=False)\nreturn ''")),
        ("HF606", tool("import ssl\ncontext = ssl.create_default_context()\ncontext.check_hostname = False\n"
"return ''")),
        ("HF606", tool("import ssl\ncontext = ssl.create_default_context()\n"
"context.verify_mode = ssl.CERT_NONE\nreturn ''")),
        ("HF606", tool("import ssl\nssl._create_unverified_context()\nreturn ''")),
        ("HF606", tool("import aiohttp\naiohttp.TCPConnector(ssl=False)\nreturn ''")),
        ("HF607", tool("import sys\nsys.exit(1)")),
        ("HF607", tool("exit()")),
        # facts
        ("HF302", tool("import uuid\nreturn str(uuid.uuid4())", facts="idempotent=True")),
        ("HF302", tool("open('/srv/log', 'a').write('x')\nreturn ''", facts="idempotent=True", asynchronous=False)),
        ("HF302", tool("c = object()\nc.execute('INSERT INTO x VALUES (1)')\nreturn ''", facts="idempotent=True")),
        ("HF306", tool("open('/srv/log', mode='w').write('x')\nreturn ''", asynchronous=False)),
        ("HF306", tool("import os\nos.remove('/srv/x')\nreturn ''")),
        # limits
        ("HF201", tool("return ''", facts="read_only=True, limits=Limits(timeout=10**6)")),
        ("HF202", tool("return ''", facts="read_only=True, limits=Limits(input=10**9)")),
        ("HF203", tool("return ''", facts="read_only=True, limits=Limits(queue=10**6)")),
    ],
)  # fmt: skip
def test_what_code_should_not_do_is_found(code: str, case: str, look) -> None:  # type: ignore[no-untyped-def]
    assert code in codes(look(case))


@pytest.mark.parametrize(
    "case",
    [
        tool("return ''", facts='read_only=True, limits=Limits(concurrency="adaptive")'),
        tool("import os\nreturn os.environ['HOME']"),
        tool("import os\nreturn os.environ.get(key(), '')", before="def key():\n    return 'X'\n"),
        "password = None\n",
        "password = '********'\n",
        "password = 'change-me-1'\n",
        "TOKEN_URL = 'https://login.example/oauth2/token'\n",
        "api_key = 'your-api-key-1'\n",
        "SECRET_FILE = 'file:/run/secrets/key1'\n",
        '"""Set password: hunter2 in the settings, never here."""\n',
        tool("import sys\nprint('x', file=sys.stderr)\nreturn ''"),
        "def main():\n    print('done')\n\n\nif __name__ == '__main__':\n    print('x')\n    main()\n",
        tool("import time\ntime.sleep(1)\nreturn ''", asynchronous=False),
        tool("import asyncio, time\n\ndef work():\n    time.sleep(1)\n\nawait asyncio.to_thread(work)\nreturn ''"),
        tool("try:\n    x = int('1')\nexcept BaseException:\n    x = 2\nreturn str(x)"),
        tool("import asyncio\ntry:\n    await asyncio.sleep(1)\nexcept BaseException:\n    raise\nreturn ''"),
        tool("import asyncio\ntry:\n    await asyncio.sleep(1)\nexcept Exception:\n    pass\nreturn ''"),
        tool("import asyncio, contextlib\nwith contextlib.suppress(OSError):\n    await asyncio.sleep(1)\nreturn ''"),
        tool("found = []\nfound.append(1)\nreturn ''"),
        tool("KEPT = []\nKEPT.append(1)\nreturn ''", before="KEPT = [1]\n"),
        tool("import httpx\nhttpx.AsyncClient(verify=True)\nreturn ''"),
        tool(("cursor = object()\n"
"cursor.execute('INSERT INTO x VALUES (1) ON CONFLICT DO NOTHING')\nreturn ''"), facts="idempotent=True"),
        tool("open('/srv/log').read()\nreturn ''", asynchronous=False),
        tool("return ''", facts="read_only=False"),
        tool("return ''", facts="destructive=False"),
        tool("return ''", facts="read_only=True, limits=Limits(timeout=30, output=10, rate='1/second')"),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(case: str, look) -> None:  # type: ignore[no-untyped-def]
    assert codes(look(case)) == set()


def test_facts_of_a_class_count_even_when_they_are_the_default(look) -> None:  # type: ignore[no-untyped-def]
    case = '''
    @server.add
    class It(Tool):
        """Do a thing with nothing."""
        {fact}

        async def run(self, args: ToolInput, ctx: Context) -> str:
            return ""
    '''
    assert "HF301" not in codes(look(case.format(fact="read_only = False")))
    assert "HF301" in codes(look(case.format(fact="lenient = False")))


def test_a_finding_never_shows_the_secret(look) -> None:  # type: ignore[no-untyped-def]
    found = look("password = 'tr0ub4dor&3x9'\nKEY = 'AKIAIOSFODNN7EXAMPLE'\n")
    assert len(found) == 2
    assert not any("tr0ub" in item.message or "AKIA" in item.message for item in found)


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"audit__enabled": False}, "HF205"),
        ({"limits__timeout": 300}, "HF205"),
        ({"limits__rate": "100000/second"}, "HF205"),
        ({"limits__concurrency": 1000}, "HF205"),
        ({"http__host": "0.0.0.0"}, "HF206"),
        ({"http__host": "0.0.0.0", "auth__tokens": "a-long-canary-token"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_settings_of_the_server_count(settings, code, whole) -> None:  # type: ignore[no-untyped-def]
    from holdfast.lint.examine import examine

    assert codes(examine(whole("", **settings))) == ({code} if code else set())
    assert Settings().http.host == "127.0.0.1"
