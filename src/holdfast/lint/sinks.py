"""Where a caller's text must not arrive: calls that open, fetch, query, run, load or compile what they are given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from holdfast.lint.source import Source


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(text: str) -> Mapping[str, str]:
    """Name -> code, from lines of a code and names."""
    rows = (line.split() for line in text.strip().splitlines())
    return {name: row[0] for row in rows for name in row[1:]}


FIRST: Final = _table(
    """
    HF110 open io.open builtins.open codecs.open aiofiles.open fileinput.input glob.glob glob.iglob
    HF110 sqlite3.connect os.open os.remove os.unlink os.rmdir os.mkdir os.makedirs os.removedirs os.listdir
    HF110 os.scandir os.walk os.fwalk os.chmod os.chown os.stat os.truncate os.utime os.mkfifo os.readlink
    HF110 os.access os.chdir os.startfile pathlib.Path pathlib.PosixPath pathlib.WindowsPath zipfile.ZipFile
    HF110 tarfile.open tarfile.TarFile gzip.open bz2.open lzma.open shelve.open dbm.open PIL.Image.open
    HF110 numpy.load numpy.loadtxt pandas.read_csv pandas.read_excel pandas.read_json pandas.read_parquet
    HF110 runpy.run_path linecache.getline ctypes.CDLL anyio.open_file anyio.Path
    HF111 requests.get requests.post requests.put requests.delete requests.patch requests.head
    HF111 requests.options httpx.get httpx.post httpx.put httpx.delete httpx.patch httpx.head httpx.options
    HF111 httpx.stream urllib.request.urlopen urllib.request.urlretrieve urllib.request.Request
    HF111 aiohttp.request http.client.HTTPConnection http.client.HTTPSConnection socket.create_connection
    HF111 asyncio.open_connection socket.getaddrinfo webbrowser.open websockets.connect ftplib.FTP
    HF111 smtplib.SMTP pandas.read_html
    HF112 sqlalchemy.text sqlalchemy.sql.text pandas.read_sql pandas.read_sql_query duckdb.sql duckdb.query
    HF114 eval exec compile builtins.eval builtins.exec __import__ importlib.import_module runpy.run_module
    HF114 code.interact jinja2.Template mako.template.Template logging.config.dictConfig
    HF115 pickle.loads pickle.load marshal.loads marshal.load dill.loads dill.load cloudpickle.loads
    HF115 cloudpickle.load joblib.load torch.load jsonpickle.decode yaml.unsafe_load yaml.full_load yaml.load
    HF115 yaml.load_all pandas.read_pickle pickle.Unpickler
    HF116 re.compile re.search re.match re.fullmatch re.findall re.finditer re.split re.sub re.subn
    """
)
"""Judged by their first argument (or the one named like it)."""
ANY: Final = _table(
    """
    HF110 shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.move shutil.rmtree
    HF110 shutil.unpack_archive shutil.make_archive shutil.disk_usage shutil.chown os.rename os.renames
    HF110 os.replace os.link os.symlink
    HF113 subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen
    HF113 subprocess.getoutput subprocess.getstatusoutput os.system os.popen os.execl os.execle os.execlp
    HF113 os.execv os.execve os.execvp os.execvpe os.posix_spawn os.posix_spawnp os.spawnl os.spawnle
    HF113 os.spawnlp os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe asyncio.create_subprocess_exec
    HF113 asyncio.create_subprocess_shell pty.spawn pexpect.spawn pexpect.run anyio.run_process
    HF113 anyio.open_process asyncio.subprocess.create_subprocess_exec
    HF113 asyncio.subprocess.create_subprocess_shell
    """
)
"""Judged by every positional argument."""
SECOND: Final = _table(
    """
    HF111 requests.request httpx.request httpx.stream urllib3.request
    HF114 getattr setattr delattr operator.attrgetter
    """
)
"""Judged by their second argument."""
KEYWORDS: Final = frozenset({"file", "path", "filename", "url", "args", "cmd", "command", "cwd", "env", "executable"})
"""Named arguments that count like the positional ones; ``input``, ``data``, ``params`` do not."""
PATH_METHODS: Final = _words(
    "read_text read_bytes write_text write_bytes unlink iterdir glob rglob mkdir rmdir touch joinpath symlink_to "
    "hardlink_to open exists is_file is_dir stat resolve rename"
)
"""Methods that only a path has: whatever they are called on was made of a path."""
SQL_METHODS: Final = frozenset({"execute", "executemany", "executescript", "exec_driver_sql"})
CLIENTS: Final = _words(
    "httpx.Client httpx.AsyncClient requests.Session requests.session aiohttp.ClientSession urllib3.PoolManager"
)
CLIENT_METHODS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("get", "post", "put", "delete", "patch", "head", "options"), 0),
    **dict.fromkeys(("request", "stream"), 1),
}
"""Methods of a client, and which argument is the URL."""
INDIRECT: Final[Mapping[str, int]] = {
    "asyncio.to_thread": 0, "anyio.to_thread.run_sync": 0, "functools.partial": 0,
    "starlette.concurrency.run_in_threadpool": 0,
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
