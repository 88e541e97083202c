"""The clients' journal against the two doors of a daemon that has just started."""

import hashlib
import os
import random
from typing import NamedTuple

from . import moves
from .daemon import Failure


GET_ALL = 64 << 10  # larger files are downloaded in one check of three, read in all


class Seen(NamedTuple):
    """One upload, as HEAD and the mount show it."""
    offset: int
    length: object  # None while it is deferred
    where: str  # its path below the mount


def _attribute(path, name):
    try:
        return os.getxattr(path, "user." + name).decode()
    except OSError:
        return None


class Check:
    """One comparison of a book with a running daemon. What is true must have been
    possible at some moment of [since, until]; `relax` makes what a weaker promise
    allows of what is possible."""

    def __init__(self, book, mount, wire, since, until,
                 relax=lambda record, bounds: bounds):
        self.book, self.mount, self.wire = book, mount, wire
        self.since, self.until, self.relax = since, until, relax
        self.turn = random.randrange(3)
        self.idents = {}  # of the records
        self.where = {}  # path below the mount, by id

    def bounds(self, record):
        return [self.relax(record, bounds)
                for bounds in record.within(self.since, self.until)]

    def fail(self, record, what):
        possible = "\n  ".join(str(bounds) for bounds in self.bounds(record))
        raise Failure(f"{record.kind} {record.key} ({record.ident}) {what}; possible "
                      f"is:\n  {possible}")

    def run(self, records):
        """Looks which uploads are there, for all of the book; and into `records`."""
        self.list()
        self.names()
        self.existence()
        return {record.key: self.look_into(record) for record in records}

    # ---- which uploads there are ----

    def list(self):
        known = {r.ident: r for r in self.book.all() if r.ident}
        for ident in os.listdir(f"{self.mount}/by-id"):
            link = f"{self.mount}/by-id/{ident}"
            record = known.get(ident) or self.by_attribute(link)
            self.where[ident] = os.path.normpath("by-id/" + os.readlink(link))
            self.idents[record.key] = ident

    def by_attribute(self, link):
        """The record of an upload whose client did not learn its id."""
        key = _attribute(link, "tus.metadata.torture")
        record = self.book.records.get(int(key)) if key else None
        if not record:
            raise Failure(f"{link}, of record {key}, is nobody's")
        return record

    def existence(self):
        for record in self.book.all():
            here = record.key in self.idents
            state = "here" if here else "gone" if record.ident else "absent"
            lives = [bounds.life for bounds in self.bounds(record)]
            # an id that the client did not learn can only be absent
            if not any(state in life or (state == "gone" and "absent" in life)
                       for life in lives):
                self.fail(record, f"is {state}")

    def names(self):
        """Every file of the mount is one of by-id/, and the other way round."""
        found = set()
        for top in ("complete", "incoming", "partial"):
            for folder, _, files in os.walk(f"{self.mount}/{top}"):
                found.update(os.path.relpath(f"{folder}/{name}", self.mount)
                             for name in files)
        linked = set(self.where.values())
        if found != linked:
            raise Failure(f"only in the folders: {sorted(found - linked)}, only in "
                          f"by-id/: {sorted(linked - found)}")

    # ---- one upload ----

    def look_into(self, record):
        """None for an upload that is gone."""
        ident = self.idents.get(record.key)
        if not ident:
            if record.ident:
                self.expect_gone(record)
            return None
        answer = self.wire.ask("HEAD", moves.BASE + ident)
        if answer.status != 200:
            self.fail(record, f"answers HEAD with {answer.status}")
        length = answer.headers.get("upload-length")
        path = f"{self.mount}/{self.where[ident]}"
        size = os.stat(path).st_size
        offset = answer.headers.get("upload-offset")
        if offset is not None and int(offset) != size:
            self.fail(record, f"has {offset} bytes by HEAD and {size} in the mount")
        seen = Seen(size, int(length) if length else None, self.where[ident])
        self.judge(record, seen)
        self.compare_bytes(record, ident, path, seen)
        return seen

    def expect_gone(self, record):
        answer = self.wire.ask("HEAD", moves.url(record))
        created = all("absent" not in bounds.life for bounds in self.bounds(record))
        if answer.status not in ((410,) if created else (404, 410)):
            self.fail(record, f"is gone, and answers HEAD with {answer.status}")

    def judge(self, record, seen):
        if not any(self.allows(bounds, record, seen) for bounds in self.bounds(record)):
            self.fail(record, f"is {seen}")

    def allows(self, bounds, record, seen):
        if "here" not in bounds.life or seen.length not in bounds.lengths:
            return False
        complete = seen.offset == seen.length
        if record.kind == "final":
            # how far its parts reach without a gap: compared with them below
            if not complete and bounds.low == record.length:
                return False
        elif not bounds.allow(seen.offset):
            return False
        if record.kind == "partial":
            return seen.where.startswith("partial/")
        if complete:
            return seen.where in {f"complete/{path}" for path in bounds.paths}
        return seen.where == f"incoming/{record.first_path}"

    def compare_bytes(self, record, ident, path, seen):
        expected = record.bytes(0, seen.offset)
        with open(path, "rb") as file:
            if file.read() != expected:
                self.fail(record, f"has other bytes in the mount, at {seen.where}")
        complete = seen.offset == seen.length
        if record.kind == "final" and not complete:
            self.compare_reach(record, seen)
        if complete:
            self.compare_complete(record, ident, path, expected)

    def compare_complete(self, record, ident, path, expected):
        known = _attribute(path, "tus.sha256")
        if known and known != hashlib.sha256(expected).hexdigest():
            self.fail(record, "has a wrong user.tus.sha256")
        if len(expected) > GET_ALL and record.key % 3 != self.turn:
            return  # its turn comes
        answer = self.wire.ask("GET", moves.BASE + ident)
        if answer.status != 200 or answer.body != expected:
            self.fail(record, f"has other bytes by GET ({answer.status})")

    def compare_reach(self, final, seen):
        """An unfinished final is as long as its parts reach without a gap."""
        reach = 0
        for part in final.parts:
            ident = self.idents.get(part.key)
            size = os.stat(f"{self.mount}/{self.where[ident]}").st_size if ident else 0
            reach += size
            if size < part.length:
                break
        else:
            self.fail(final, "has all its parts, and is not complete")
        if reach != seen.offset:
            self.fail(final, f"is {seen.offset} bytes, and its parts reach {reach}")


def narrow(book, check, seen):
    """What was seen after a kill is as good as acknowledged."""
    for record in book.all():
        if record.key not in check.idents:
            record.change(life=moves.GONE)
            book.drop(record) if not record.ident else None
        elif record.key in seen:
            narrow_one(record, check.idents[record.key], seen[record.key])
    for record in book.all():
        if record.kind == "final":
            moves.complete_final(record)


def narrow_one(record, ident, seen):
    record.ident, record.ghost = ident, None
    paths = record.bounds.paths
    if seen.where.startswith("complete/"):
        paths = frozenset([seen.where.removeprefix("complete/")])
    if record.kind == "final":
        record.change(life=moves.HERE, paths=paths)
    else:
        record.change(life=moves.HERE, low=seen.offset, high=seen.offset, either=False,
                      lengths=(seen.length,), paths=paths)
    record.checked = True
