"""The store's SQLite file: opened with safe settings, migrated, set aside when damaged. Used by one thread."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.errors import ConfigurationError
from holdfast.state.location import NEWER
from holdfast.state.losses import name_for

BUSY_SECONDS = 5.0
"""How long a write waits for another instance's."""
CHECKED_BYTES = 16 * 1024 * 1024
"""Files up to this size are checked whole when opened (tens of milliseconds); larger ones as they are used."""
MAX_BYTES = 256 * 1024 * 1024
KEPT_JOURNAL = 4 * 1024 * 1024
"""Bytes that the write-ahead log keeps after a checkpoint; SQLite's own checkpoints come at 4 MB (1,000 pages)."""
GIVEN_BACK = 512
"""Free pages (2 MiB) that one sweep gives back to the disk at most, so that no sweep takes long."""
_PAGE = 4096
_SUFFIXES = ("", "-wal", "-shm")

MIGRATIONS: tuple[str, ...] = (
    # 1: values and counters; the number of rows is kept by triggers, exact for parallel instances too
    """
    CREATE TABLE entry (
        space TEXT NOT NULL, key TEXT NOT NULL, value BLOB, number REAL, expires REAL,
        PRIMARY KEY (space, key)
    ) WITHOUT ROWID;
    CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
    CREATE TABLE total (rows INTEGER NOT NULL);
    INSERT INTO total VALUES (0);
    CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN UPDATE total SET rows = rows + 1; END;
    CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN UPDATE total SET rows = rows - 1; END;
    """,
    # 2: rows and bytes of each space, so that what callers fill has a bound of its own
    """
    CREATE TABLE room (space TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO room SELECT space, count(*), coalesce(sum(length(value)), 0) FROM entry GROUP BY space;
    DROP TRIGGER entry_added;
    DROP TRIGGER entry_gone;
    CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
        UPDATE total SET rows = rows + 1;
        INSERT INTO room VALUES (new.space, 1, coalesce(length(new.value), 0))
            ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN
        UPDATE total SET rows = rows - 1;
        UPDATE room SET rows = rows - 1, bytes = bytes - coalesce(length(old.value), 0) WHERE space = old.space;
        DELETE FROM room WHERE space = old.space AND rows <= 0;
    END;
    CREATE TRIGGER entry_grew AFTER UPDATE OF value ON entry
    WHEN coalesce(length(new.value), 0) <> coalesce(length(old.value), 0) BEGIN
        UPDATE room SET bytes = bytes + coalesce(length(new.value), 0) - coalesce(length(old.value), 0)
            WHERE space = new.space;
    END;
    """,
)
"""Each brings the file from the version of its index to the next; PRAGMA user_version says where a file is."""


def open_database(
    path: Path | None, on_damage: Callable[[str], None], wall: Callable[[], float]
) -> tuple[sqlite3.Connection, int]:
    """Open, check and migrate the file at ``path`` (None: in memory); return the connection and the file's inode.

    A damaged file, or one that somebody has emptied, is renamed to ``<name>.damaged-<number>`` with its companions,
    ``on_damage`` hears the new name (without folder), and a new one takes its place; so does one that may not be read
    and written. Raises ``ConfigurationError`` for a file of a newer version, a link, or anything but a regular file;
    ``sqlite3.Error`` and ``OSError`` when the disk refuses.
    """
    if path is None:
        return _prepared(":memory:", None), 0
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _exclusive(path), _begun(path) as unfinished:  # switching to WAL and migrating do not bear company
        if (
            _make_file(path) or unfinished or (path.stat().st_size and _ours(path))
        ):  # none of ours is empty once it is prepared
            inode = path.stat().st_ino
            try:
                return _prepared(str(path), path), inode
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
        _rename(path, on_damage, wall)
        _make_file(path)
        return _prepared(str(path), path), path.stat().st_ino


@contextmanager
def _begun(path: Path) -> Iterator[bool]:
    """Mark that the file is being made, where there is none. Gives whether one was begun and never finished: its
    process was killed, nobody had been told anything, and an empty file is no damage then."""
    mark = Path(f"{path}.begun")
    unfinished = mark.exists() and path.exists() and not path.stat().st_size
    if not path.exists():
        mark.touch(mode=0o600)
    yield unfinished
    mark.unlink(missing_ok=True)  # not when it failed: then it is still not finished


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, not merely busy, full or forbidden."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(path: Path, inode: int, on_damage: Callable[[str], None], wall: Callable[[], float]) -> None:
    """Rename the damaged file with that inode, unless another instance did so first and a new one lies there."""
    with _exclusive(path), contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            _rename(path, on_damage, wall)


def _rename(path: Path, on_damage: Callable[[str], None], wall: Callable[[], float]) -> None:
    aside = name_for(path, wall)
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    on_damage(aside.name)


def _ours(path: Path) -> bool:
    """Whether the file can be used; only its owner may, so what others were allowed is taken back."""
    found = path.stat()
    if found.st_uid == getattr(os, "geteuid", lambda: found.st_uid)() and stat.S_IMODE(found.st_mode) != 0o600:
        with contextlib.suppress(OSError):
            path.chmod(0o600)
    return os.access(path, os.R_OK | os.W_OK)


def give_back(connection: sqlite3.Connection) -> None:
    """Return free pages at the end of the file to the disk, ``GIVEN_BACK`` at most."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    for _ in range(min(free, GIVEN_BACK)):  # one step is one page, and the sqlite3 module takes one step
        connection.execute("PRAGMA incremental_vacuum(1)")


def _prepared(name: str, path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before anything is written: says how a new file is laid
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute(f"PRAGMA journal_size_limit={KEPT_JOURNAL}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute(f"PRAGMA max_page_count={MAX_BYTES // _PAGE}")
        if path is not None and path.stat().st_size <= CHECKED_BYTES:
            _check(connection)
        _compact(connection)
        _migrate(connection)
    except BaseException:  # nobody else would close it
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError("quick_check failed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _compact(connection: sqlite3.Connection) -> None:
    """Lay an older file out anew so that it can give pages back; not while another instance holds it."""
    if _version(connection) == 1 and connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 0:
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("VACUUM")


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")  # another instance may be migrating: look again once we are alone
    try:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise ConfigurationError(NEWER)
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:  # half a migration is none
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """Split at complete statements; ``executescript`` would commit the transaction that holds a migration together."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _make_file(path: Path) -> bool:
    """Create the file, mode 0600, if it is missing; return whether it was.

    An existing file is only looked at: opening and closing it here would drop the locks of another connection in
    this process (sqlite.org, howtocorrupt, 2.2).
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ConfigurationError(
                "the state file must be a regular file, no link or device: set HOLDFAST_STATE to another folder"
            ) from None
        return False
    return True


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """One instance at a time, by a lock file beside the database."""
    fd = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if sys.platform == "win32":  # pragma: no cover - Windows
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
