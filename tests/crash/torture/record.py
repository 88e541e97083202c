"""What the clients know of each upload: the journal that a rig compares with.

A request whose answer was not received may have happened or not. So a record holds
bounds: all that may be true now. They are widened before a request is sent, and
narrowed when its answer has come; each such moment is kept, so that a power cut, which
happens at some instant of an interval, can be compared with the bounds of that
interval."""

import random
import threading
import time
from typing import NamedTuple

POOL_SIZE = 4 << 20
_POOL = random.Random(4711).randbytes(POOL_SIZE) * 2


def content(seed, offset, size):
    """The bytes [offset, offset + size) of the upload with this seed."""
    at = (seed * 7919 + offset) % POOL_SIZE
    if size <= POOL_SIZE:
        return _POOL[at:at + size]
    return b"".join([_POOL[at:at + POOL_SIZE],
                     content(seed, offset + POOL_SIZE, size - POOL_SIZE)])


class Bounds(NamedTuple):
    """What may be true of an upload at one moment."""
    life: frozenset  # of "absent", "here", "gone"
    low: int = 0  # the offset is at least this,
    high: int = 0  # at most this,
    either: bool = False  # and, if this is set, exactly one of the two
    lengths: tuple = ()  # what the length may be; None while it is deferred
    paths: frozenset = frozenset()  # below complete/, once it is complete

    def allow(self, offset):
        if self.either:
            return offset in (self.low, self.high)
        return self.low <= offset <= self.high


ABSENT, HERE, GONE = (frozenset([x]) for x in ("absent", "here", "gone"))


class Record:
    """One upload. A client changes it; `bounds` are the ones of now."""

    def __init__(self, key, kind, length, folder="", parts=()):
        self.key, self.kind, self.length = key, kind, length
        self.folder, self.name = folder, f"k{key}.bin"
        self.parts = parts  # of a final: (record, length) in order
        self.ident = None  # the id, once the answer to the POST has come
        self.busy = False  # some client is at it
        # (offset, end) of a PATCH whose client vanished: until the offset has moved, or
        # the daemon died, the daemon may still find it in a socket and keep it
        self.ghost = None
        self.checked = False  # by the rig, since it was last touched
        self.first_path = f"{folder}/{self.name}" if folder else self.name
        self.wanted = None  # of a part: the final that it is for
        self.paths_ever = {self.first_path}
        self.history = []
        self.set(Bounds(ABSENT, paths=frozenset([self.first_path])))

    @property
    def bounds(self):
        return self.history[-1][1]

    def set(self, bounds):
        self.checked = False
        self.paths_ever |= bounds.paths
        self.history.append((time.monotonic(), bounds))

    def change(self, **fields):
        self.set(self.bounds._replace(**fields))

    def at(self, offset, **fields):
        """The offset is known, but for a ghost."""
        if self.ghost and self.ghost[0] != offset:
            self.ghost = None
        high = self.ghost[1] if self.ghost else offset
        self.change(low=offset, high=high, either=False, **fields)

    def within(self, since, until):
        """The bounds that were in force at some moment of an interval."""
        chosen = []
        for moment, bounds in list(self.history):
            if moment <= since:
                chosen = []
            if moment <= until:
                chosen.append(bounds)
        # a client may add one between the end of the interval and the look at the book
        return chosen or [Bounds(ABSENT)]

    def forget_before(self, moment):
        """Drops what no later interval can ask for."""
        while len(self.history) > 1 and self.history[1][0] <= moment:
            del self.history[0]

    def is_complete(self):
        bounds = self.bounds
        return bounds.life == HERE and bounds.low == self.length and \
            bounds.lengths == (self.length,)

    def bytes(self, offset, size):
        if self.kind != "final":
            return content(self.key, offset, size)
        whole = b"".join(part.bytes(0, part.length) for part in self.parts)
        return whole[offset:offset + size]


class Book:
    """All records. Thread-safe."""

    def __init__(self):
        self.mutex = threading.Lock()
        self.records = {}
        self.next = 0

    def add(self, kind, length, folder="", parts=()):
        with self.mutex:
            self.next += 1
            record = Record(self.next, kind, length, folder, parts)
            record.busy = True
            self.records[record.key] = record
            return record

    def snapshot(self):
        """A book of the records that there are now; they go on changing."""
        copy = Book()
        with self.mutex:
            copy.records = dict(self.records)
        return copy

    def all(self):
        with self.mutex:
            return list(self.records.values())

    def take(self, rng, want):
        """A record that nobody is at and that `want` accepts, now busy; or None."""
        with self.mutex:
            free = [r for r in self.records.values() if not r.busy and want(r)]
            if not free:
                return None
            record = rng.choice(free)
            record.busy = True
            return record

    def release(self, record):
        record.busy = False

    def drop(self, record):
        """Forgets a record for good."""
        with self.mutex:
            self.records.pop(record.key, None)
