"""Clients: threads that do at random what clients do."""

import random
import threading

from . import moves
from .daemon import Failure
from .record import HERE
from .wire import Lost, Wire

ALGORITHMS = ("sha1", "md5", "crc32", "sha256", "sha512")
LIVE_MAX = 100  # uploads that are there at a time, about
SMALL = 16 << 10


class Client(threading.Thread):
    """`daemon` and `book` are shared by all clients of a rig."""

    def __init__(self, daemon, book, gate, seed, failed):
        super().__init__(daemon=True)
        self.target, self.book, self.gate, self.failed = daemon, book, gate, failed
        self.rng = random.Random(seed)
        self.wire = Wire(lambda: daemon.port)
        self.done = 0

    def run(self):
        while self.gate.enter():
            try:
                self.step()
                self.done += 1
            except Lost:
                pass
            except Failure as failure:
                self.failed(str(failure))
                break
            except Exception as error:  # a mistake of the rig is a failure too
                self.failed(repr(error))
                raise
        self.gate.leave()
        self.wire.close()

    def step(self):
        actions = [self.create, self.small, self.append, self.stream, self.concat,
                   self.look, self.end, self.move]
        weights = [4, 4, 14, 2, 2, 3, 4, 4]
        if len(self.book.all()) > LIVE_MAX:
            weights[6] = 30
        self.rng.choices(actions, weights)[0]()

    def take(self, want):
        return self.book.take(self.rng, lambda r: r.ident is not None and want(r))

    def size(self):
        """Mostly modest, sometimes a few MiB."""
        top = self.rng.choice((SMALL, 60_000, 300_000, 300_000, 2_000_000))
        return self.rng.randint(1, top)

    # ---- new uploads ----

    def folder(self):
        return self.rng.choice(("", "", "", "a", "a/b", f"d{self.rng.randint(0, 20)}"))

    def create(self):
        record = self.book.add("plain", self.size(), self.folder())
        try:
            deferred = self.rng.random() < 0.3
            body = b""
            if self.rng.random() < 0.3:
                body = record.bytes(0, self.rng.randint(1, record.length))
            if deferred and len(body) == record.length:
                body = body[:-1]
            moves.create(self.wire, record, body, deferred,
                         promise=not deferred and self.rng.random() < 0.2)
        finally:
            self.book.release(record)

    def small(self):
        """A whole small file in one request."""
        length = self.rng.randint(0, SMALL)
        record = self.book.add("plain", length, self.folder())
        try:
            moves.create(self.wire, record, record.bytes(0, length))
        finally:
            self.book.release(record)

    def stream(self):
        """A larger file in one PATCH."""
        record = self.book.add("plain", self.rng.randint(1 << 20, self.rng.choice((2, 4, 10)) << 20))
        try:
            moves.create(self.wire, record)
            moves.append(self.wire, record, record.length)
        finally:
            self.book.release(record)

    def concat(self):
        parts = [self.book.add("partial", self.size())
                 for _ in range(self.rng.randint(2, 4))]
        final = None
        early = self.rng.random() < 0.5
        try:
            for part in parts:
                moves.create(self.wire, part)
            if early:
                final = self.final(parts)
            for part in parts:
                moves.append(self.wire, part, part.length)
            self.completed()
            if not early:
                final = self.final(parts)
        finally:
            for record in parts + [final] if final else parts:
                self.book.release(record)

    def final(self, parts):
        final = self.book.add("final", sum(part.length for part in parts), parts=parts)
        for part in parts:
            part.wanted = final
        try:
            moves.concatenate(self.wire, final)
        except Lost:
            self.book.release(final)
            raise
        return final

    def completed(self):
        for record in self.book.all():
            if record.kind == "final":
                moves.complete_final(record)

    # ---- uploads that are there ----

    def append(self):
        record = self.take(lambda r: r.kind != "final" and not r.is_complete() and
                           "here" in r.bounds.life)
        if not record:
            return
        try:
            bounds = record.bounds
            certain = bounds.life == HERE and bounds.low == bounds.high and \
                len(bounds.lengths) == 1
            if certain or moves.settle(self.wire, record):
                self.append_to(record)
            if record.kind == "partial":
                self.completed()
        finally:
            self.book.release(record)

    def append_to(self, record):
        rest = record.length - record.bounds.low
        deferred = record.bounds.lengths == (None,)
        declare = deferred and self.rng.random() < 0.5
        size = rest if self.rng.random() < 0.5 else self.rng.randint(0, rest)
        if size == 0 and not declare:
            return
        algorithm = self.rng.choice(ALGORITHMS)
        way = self.rng.random()
        if declare or way < 0.4:
            moves.append(self.wire, record, size, declare)
        elif way < 0.55:
            moves.append(self.wire, record, size, algorithm=algorithm)
        elif way < 0.65:
            moves.append_with_trailer(self.wire, record, size, True)
        elif way < 0.7:
            moves.append_with_trailer(self.wire, record, size, False)
        elif way < 0.8:
            moves.append_wrongly(self.wire, record, size, algorithm)
        else:
            self.break_off(record, size, algorithm)

    def break_off(self, record, size, algorithm):
        moves.append_in_vain(self.wire, record, size, self.rng.randint(0, size - 1),
                             algorithm if self.rng.random() < 0.4 else None)
        moves.settle(self.wire, record)

    def look(self):
        record = self.take(lambda r: r.is_complete() and len(r.bounds.paths) == 1)
        if not record:
            return
        try:
            if record.kind != "partial" and self.rng.random() < 0.5:
                moves.read(record, self.target.mount)
            else:
                moves.download(self.wire, record)
        finally:
            self.book.release(record)

    def end(self):
        record = self.take(self.may_end)
        if not record:
            return
        try:
            certain = len(record.bounds.paths) == 1 and record.is_complete()
            if certain and self.rng.random() < 0.5:
                moves.remove(record, self.target.mount)
            else:
                moves.terminate(self.wire, record)
        finally:
            self.book.release(record)

    @staticmethod
    def may_end(record):
        """Parts stay until their final is complete: what becomes of it otherwise is
        not what is tested here."""
        final = record.wanted
        return record.bounds.life == HERE and (
            final is None or final.is_complete() or "here" not in final.bounds.life)

    def move(self):
        record = self.take(lambda r: r.kind != "partial" and r.is_complete() and
                           len(r.bounds.paths) == 1)
        if not record:
            return
        try:
            folder = self.rng.choice(("moved", "moved/deep", f"m{self.rng.randint(0, 9)}"))
            moves.move(record, self.target.mount,
                       f"{folder}/{record.name}-{self.rng.randint(0, 99)}")
        finally:
            self.book.release(record)
