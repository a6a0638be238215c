"""Where a caller's text must not arrive: calls that open, fetch, query, run, load or compile what they are given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from holdfast.lint.source import Source


def _all(code: str, prefix: str, names: str) -> dict[str, str]:
    return {prefix + name: code for name in names.split()}


FIRST: Final[Mapping[str, str]] = {
    **_all("HF110", "", "open io.open builtins.open codecs.open aiofiles.open fileinput.input glob.glob glob.iglob sqlite3.connect"),
    **_all("HF110", "os.", "open remove unlink rmdir mkdir makedirs removedirs listdir scandir walk fwalk chmod chown stat"),
    **_all("HF110", "os.", "truncate utime mkfifo readlink access chdir startfile"),
    **_all("HF110", "pathlib.", "Path PosixPath WindowsPath"),
    **_all("HF110", "", "zipfile.ZipFile tarfile.open tarfile.TarFile gzip.open bz2.open lzma.open shelve.open dbm.open"),
    **_all("HF110", "", "PIL.Image.open numpy.load numpy.loadtxt pandas.read_csv pandas.read_excel pandas.read_json"),
    **_all("HF110", "", "pandas.read_parquet runpy.run_path linecache.getline ctypes.CDLL anyio.open_file anyio.Path"),
    **_all("HF111", "requests.", "get post put delete patch head options"),
    **_all("HF111", "httpx.", "get post put delete patch head options stream"),
    **_all("HF111", "urllib.request.", "urlopen urlretrieve Request"),
    **_all("HF111", "", "aiohttp.request http.client.HTTPConnection http.client.HTTPSConnection socket.create_connection"),
    **_all("HF111", "", "asyncio.open_connection socket.getaddrinfo webbrowser.open websockets.connect ftplib.FTP smtplib.SMTP"),
    **_all("HF111", "", "pandas.read_html"),
    **_all("HF112", "", "sqlalchemy.text sqlalchemy.sql.text pandas.read_sql pandas.read_sql_query duckdb.sql duckdb.query"),
    **_all("HF114", "", "eval exec compile builtins.eval builtins.exec __import__ importlib.import_module runpy.run_module code.interact"),
    **_all("HF114", "", "jinja2.Template mako.template.Template logging.config.dictConfig"),
    **_all("HF115", "", "pickle.loads pickle.load marshal.loads marshal.load dill.loads dill.load cloudpickle.loads"),
    **_all("HF115", "", "cloudpickle.load joblib.load torch.load jsonpickle.decode yaml.unsafe_load yaml.full_load"),
    **_all("HF115", "", "yaml.load yaml.load_all pandas.read_pickle pickle.Unpickler"),
    **_all("HF116", "re.", "compile search match fullmatch findall finditer split sub subn"),
}  # fmt: skip
"""Judged by their first argument (or the one named like it)."""
ANY: Final[Mapping[str, str]] = {
    **_all("HF110", "shutil.", "copy copy2 copyfile copytree move rmtree unpack_archive make_archive disk_usage chown"),
    **_all("HF110", "os.", "rename renames replace link symlink"),
    **_all("HF113", "subprocess.", "run call check_call check_output Popen getoutput getstatusoutput"),
    **_all("HF113", "os.", "system popen execl execle execlp execv execve execvp execvpe posix_spawn posix_spawnp"),
    **_all("HF113", "os.", "spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe"),
    **_all("HF113", "", "asyncio.create_subprocess_exec asyncio.create_subprocess_shell pty.spawn pexpect.spawn pexpect.run"),
    **_all("HF113", "", "anyio.run_process anyio.open_process asyncio.subprocess.create_subprocess_exec"),
    **_all("HF113", "", "asyncio.subprocess.create_subprocess_shell"),
}  # fmt: skip
"""Judged by every positional argument."""
SECOND: Final[Mapping[str, str]] = {
    **_all("HF111", "", "requests.request httpx.request httpx.stream urllib3.request"),
    **_all("HF114", "", "getattr setattr delattr operator.attrgetter"),
}
"""Judged by their second argument."""
KEYWORDS: Final = frozenset({"file", "path", "filename", "url", "args", "cmd", "command", "cwd", "env", "executable"})
"""Named arguments that count like the positional ones; ``input``, ``data``, ``params`` do not."""
PATH_METHODS: Final = frozenset(
    "read_text read_bytes write_text write_bytes unlink iterdir glob rglob mkdir rmdir touch joinpath symlink_to hardlink_to open exists is_file is_dir stat resolve rename".split()
)
"""Methods that only a path has: whatever they are called on was made of a path."""
SQL_METHODS: Final = frozenset({"execute", "executemany", "executescript", "exec_driver_sql"})
CLIENTS: Final = frozenset(
    {"httpx.Client", "httpx.AsyncClient", "requests.Session", "requests.session", "aiohttp.ClientSession", "urllib3.PoolManager"}
)
CLIENT_METHODS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("get", "post", "put", "delete", "patch", "head", "options"), 0),
    **dict.fromkeys(("request", "stream"), 1),
}
"""Methods of a client, and which argument is the URL."""
INDIRECT: Final[Mapping[str, int]] = {
    "asyncio.to_thread": 0, "anyio.to_thread.run_sync": 0, "functools.partial": 0, "starlette.concurrency.run_in_threadpool": 0,
}  # fmt: skip
"""Calls that call what they are given, and where that stands."""
WORDS: Final = {
    "HF110": "a path",
    "HF111": "a URL to fetch",
    "HF112": "part of an SQL statement",
    "HF113": "part of a command",
    "HF114": "code",
    "HF115": "data for an unsafe loader",
    "HF116": "a regular expression",
    "HF117": "an unquoted part of a URL",
}
_FIXED: Final = re.compile(r"^\s*https?://[^/{}?#\s]+[/?#]", re.I)


def judged(source: Source, call: ast.Call, name: str) -> Iterator[tuple[str, ast.expr]]:
    """Each argument that counts, with the code of what it would be. ``name`` is what is called, dotted."""
    words = [word.value for word in call.keywords if word.arg in KEYWORDS]
    if name in FIRST:
        yield from ((FIRST[name], item) for item in (*call.args[:1], *words))
    if name in ANY:
        yield from ((ANY[name], item) for item in (*call.args, *words))
    if name in SECOND:
        yield from ((SECOND[name], item) for item in (*call.args[1:2], *words))
    if isinstance(call.func, ast.Attribute) and call.func.attr in SQL_METHODS:
        yield from (("HF112", item) for item in call.args[:1])
    if isinstance(call.func, ast.Attribute) and call.func.attr == "from_string":
        yield from (("HF114", item) for item in call.args[:1])


def is_safe_loader(source: Source, call: ast.Call) -> bool:
    """Whether ``yaml.load`` is given a loader that only reads."""
    given = [word.value for word in call.keywords if word.arg == "Loader"] or call.args[1:2]
    return bool(given) and source.dotted(given[0]).rpartition(".")[2] in ("SafeLoader", "CSafeLoader")


def has_fixed_host(value: ast.expr) -> bool:
    """Whether a URL begins with a scheme and a whole host that the author wrote."""
    while isinstance(value, ast.BinOp):
        value = value.left
    first: ast.expr | None = value.values[0] if isinstance(value, ast.JoinedStr) and value.values else value
    if isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute) and first.func.attr == "format":
        first = first.func.value
    return isinstance(first, ast.Constant) and isinstance(first.value, str) and bool(_FIXED.match(first.value))
