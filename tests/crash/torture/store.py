"""The store's files, looked at from outside while nobody has it open: blobs against
the catalog."""

import os
import shutil
import sqlite3
import subprocess
import tempfile

from .daemon import Failure


def _blobs(store):
    """Size of every blob, by number."""
    found = {}
    for folder in os.scandir(f"{store}/blobs"):
        for blob in os.scandir(folder.path):
            found[int(blob.name, 16)] = blob.stat().st_size
    return found


def _ask(store, question):
    """Asks a copy of the catalog: SQLite would mend the original by opening it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("catalog.db", "catalog.db-wal"):
            if os.path.exists(f"{store}/{name}"):
                shutil.copy(f"{store}/{name}", folder)
        connection = sqlite3.connect(f"{folder}/catalog.db")
        try:
            return question(connection)
        finally:
            connection.close()


def _column(connection, statement):
    return {row[0] for row in connection.execute(statement)}


def _known_blobs(connection):
    healthy = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if healthy != "ok":
        raise Failure("the catalog is damaged: " + healthy)
    owned = _column(connection, "SELECT num FROM file WHERE kind IN (1, 2) AND NOT small")
    used = _column(connection, "SELECT blob FROM segment WHERE NOT small")
    return owned | used | _column(connection, "SELECT blob FROM trash")


def check_orphans(store):
    """No blob without a row that says whose it is; of a store that nobody has open."""
    orphans = set(_blobs(store)) - _ask(store, _known_blobs)
    if orphans:
        raise Failure(f"blobs without a row: {sorted(orphans)}")


def check_excess(store):
    """No bytes behind the offset of an upload that nobody writes."""
    offsets = dict(_ask(store, lambda c: c.execute(
        "SELECT num, offset FROM file WHERE kind IN (1, 2) AND NOT small").fetchall()))
    for num, size in _blobs(store).items():
        if num in offsets and size > offsets[num]:
            raise Failure(f"blob {num} has {size} bytes, and its upload {offsets[num]}")


def check_empty(store):
    """Nothing is left of anything, once all uploads are gone."""
    blobs = _blobs(store)
    if blobs:
        raise Failure(f"blobs are left: {sorted(blobs)}")
    for table in ("segment", "body", "trash", "attribute"):
        rows = _ask(store, lambda c: c.execute(f"SELECT * FROM {table}").fetchall())
        if rows:
            raise Failure(f"rows are left in {table}: {rows[:10]}")
    rows = _ask(store, lambda c: c.execute(
        "SELECT num, parent, name, kind, arriving FROM file "
        "WHERE kind != 0 OR arriving != 0").fetchall())
    if rows:
        raise Failure(f"rows are left in file: {rows[:10]}")


def check_fsck(daemon):
    """fsck.tusfs, which lies beside the daemon or above it, finds nothing in a store that
    nobody has open."""
    folder = os.path.dirname(os.path.abspath(daemon.program))
    while not os.path.exists(fsck := os.path.join(folder, "fsck.tusfs")) and folder != "/":
        folder = os.path.dirname(folder)
    done = subprocess.run([fsck, daemon.store], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failure(f"fsck.tusfs ends with {done.returncode}:\n{done.stdout}")
