"""The power-cut rig: the disk is copied as it is at one moment, while clients upload,
and a daemon that has to believe in a power cut is started on the copy."""

import os
import random
import shutil
import tempfile
import time

from . import moves, store
from .check import Check
from .clients import Client
from .daemon import Daemon, Failure
from .disk import Lab
from .gate import Gate
from .record import Book, Bounds
from .wire import Lost, Wire

CLIENTS = 8
FORGET = 30  # seconds after which nothing that was deleted can come back, at any level
RESUMED = 3  # unfinished uploads that are finished on each cut
BOOT_ID_AT = 16  # in STORE/writers: see src/uploads/journal.c


def forge_boot_id(store_path):
    """On the copy, the machine is another boot than the one that wrote."""
    with open(f"{store_path}/writers", "r+b") as file:
        file.seek(BOOT_ID_AT)
        file.write(b"00000000-0000-0000-0000-000000000000")


def relax_finish(record, bounds):
    """What --sync=finish promises: finished uploads, and no wrong byte."""
    whole = bounds.life == moves.HERE and bounds.low == record.length and \
        bounds.lengths == (record.length,)
    paths = frozenset(record.paths_ever)
    if whole:
        return bounds._replace(paths=paths)
    return Bounds(frozenset(["absent", "here", "gone"]), 0, record.length,
                  lengths=(None, record.length), paths=paths)


class PowerRig:
    def __init__(self, program, seed, options, file_system, cache):
        self.rng = random.Random(seed)
        self.weak = "--sync=finish" in options
        self.folder = tempfile.mkdtemp(prefix="torture-")
        self.lab = Lab(file_system, cache)
        self.daemon = self.make_daemon(program, self.lab.live, options)
        self.cut_daemon = self.make_daemon(program, self.lab.cut_at, options)
        self.book = Book()
        self.gate = Gate(CLIENTS)
        self.problems = []
        self.wire = Wire(lambda: self.cut_daemon.port)
        self.clients = [Client(self.daemon, self.book, self.gate,
                               self.rng.random(), self.problems.append)
                        for _ in range(CLIENTS)]

    def make_daemon(self, program, disk, options):
        name = os.path.basename(disk)
        mount = f"{self.folder}/mnt-{name}"
        os.mkdir(mount)
        return Daemon(program, f"{disk}/store", mount, f"{self.folder}/log-{name}",
                      options)

    def run(self, cuts, report):
        """Returns how many cuts passed; the first failure ends it."""
        passed = 0
        for client in self.clients:
            client.start()
        self.daemon.start()
        try:
            for _ in range(cuts):
                self.one()
                passed += 1
                report(passed, self)
        except Failure as failure:
            self.problems.insert(0, str(failure))
        finally:
            self.gate.end()
        return passed

    def one(self):
        self.gate.open()
        time.sleep(self.rng.random() * self.rng.choice((0.01, 0.1, 0.5, 0.5, 1.5)))
        since = time.monotonic()
        self.lab.cut()
        until = time.monotonic()
        book = self.book.snapshot()
        if not self.gate.close():
            raise Failure("clients hang")
        self.raise_problems()
        self.daemon.check_log()
        self.compare(book, since, until)
        self.forget(since)

    def compare(self, book, since, until):
        self.lab.mount_cut()
        forge_boot_id(self.cut_daemon.store)
        self.cut_daemon.start()
        try:
            if not self.cut_daemon.said("the machine stopped while"):
                raise Failure("the daemon does not take this for a power cut")
            check = Check(book, self.cut_daemon.mount, self.wire, since, until,
                          *([relax_finish] if self.weak else []))
            seen = check.run(book.all())
            store.check_excess(self.cut_daemon.store)
            self.resume(book, check, seen)
            self.cut_daemon.check_log()
        except (Lost, OSError) as error:
            raise Failure(f"the daemon fails while it is asked: {error!r}") from error
        finally:
            self.end_cut_daemon()
        self.lab.unmount_cut()

    def end_cut_daemon(self):
        self.wire.close()
        self.cut_daemon.stop()
        if not self.problems:
            store.check_orphans(self.cut_daemon.store)
            if not self.weak:
                store.check_fsck(self.cut_daemon)

    def resume(self, book, check, seen):
        """Unfinished uploads can be finished after the cut."""
        keys = [key for key, found in seen.items()
                if found and found.length and found.offset < found.length and
                book.records[key].kind != "final"]
        for key in self.rng.sample(keys, min(RESUMED, len(keys))):
            record, found = book.records[key], seen[key]
            url = moves.BASE + check.idents[key]
            answer = self.wire.ask("PATCH", url,
                                   {**moves.TYPE, "Upload-Offset": str(found.offset)},
                                   record.bytes(found.offset,
                                                found.length - found.offset))
            moves.expect(record, "PATCH after the cut", answer, 204)
            answer = self.wire.ask("GET", url)
            moves.expect(record, "GET after the cut", answer, 200)
            if answer.body != record.bytes(0, found.length):
                raise Failure(f"{key} has other bytes, finished after the cut")

    def forget(self, since):
        for record in self.book.all():
            record.forget_before(since)
            moment, bounds = record.history[0]
            if bounds.life == moves.GONE and (not self.weak or
                                              since - moment > FORGET):
                self.book.drop(record)

    def raise_problems(self):
        if self.problems:
            raise Failure(self.problems.pop(0))

    def close(self, keep):
        """The disks are gone with the rig; logs are kept."""
        self.gate.end()
        for daemon in (self.cut_daemon, self.daemon):
            if daemon.process and daemon.process.poll() is None:
                daemon.kill()
            daemon.unmount()
        for client in self.clients:
            if client.is_alive():
                client.join(10)
        self.lab.close()
        if not keep:
            shutil.rmtree(self.folder)
