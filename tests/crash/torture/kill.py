"""The kill rig: the daemon is killed at random moments while clients upload."""

import os
import random
import shutil
import tempfile
import time

from . import moves, store
from .check import Check, narrow
from .clients import Client
from .daemon import Daemon, Failure
from .gate import Gate
from .record import Book
from .wire import Lost, Wire

CLIENTS = 10
FULL_CHECK = 25  # kills between looking into every upload
SAMPLE = 10  # uploads looked into after each kill that nobody had touched


class KillRig:
    def __init__(self, program, seed, options=()):
        self.rng = random.Random(seed)
        self.folder = tempfile.mkdtemp(prefix="torture-")
        self.mount = f"{self.folder}/mnt"
        os.mkdir(self.mount)
        self.daemon = Daemon(program, f"{self.folder}/store", self.mount,
                             f"{self.folder}/log", options)
        self.book = Book()
        self.gate = Gate(CLIENTS)
        self.problems = []
        self.wire = Wire(lambda: self.daemon.port)
        self.clients = [Client(self.daemon, self.book, self.gate,
                               self.rng.random(), self.problems.append)
                        for _ in range(CLIENTS)]

    def run(self, kills, report):
        """Returns how many kills passed; the first failure ends it."""
        passed = 0
        for client in self.clients:
            client.start()
        self.daemon.start()
        try:
            for number in range(kills):
                self.one(number)
                passed += 1
                report(passed, self)
            self.end()
        except Failure as failure:
            self.problems.insert(0, str(failure))
        finally:
            self.gate.end()
        return passed

    def one(self, number):
        self.gate.open()
        # moments of all scales: a start-up, one request, many, a checkpoint
        time.sleep(self.rng.random() * self.rng.choice((0.01, 0.1, 0.5, 0.5, 1.5)))
        self.daemon.kill()
        if not self.gate.close():
            raise Failure("clients hang")
        self.raise_problems()
        self.daemon.check_log()
        store.check_orphans(self.daemon.store)
        self.restart()
        self.compare(number % FULL_CHECK == FULL_CHECK - 1)

    def restart(self):
        """Mostly at once; sometimes it is killed while it starts, too."""
        while self.rng.random() < 0.1:
            self.daemon.spawn()
            time.sleep(self.rng.random() * 0.1)
            self.daemon.kill()
        self.daemon.start()
        self.wire.close()

    def compare(self, full):
        now = time.monotonic()
        records = self.book.all()
        chosen = [r for r in records if full or not r.checked]
        rest = [r for r in records if r.checked and not full]
        chosen += self.rng.sample(rest, min(SAMPLE, len(rest)))
        check = Check(self.book, self.mount, self.wire, now, now)
        try:
            seen = check.run(chosen)
        except (Lost, OSError) as error:
            raise Failure(f"the daemon fails while it is asked: {error!r}") from error
        self.daemon.check_log()
        store.check_excess(self.daemon.store)
        narrow(self.book, check, seen)
        for record in self.book.all():
            record.forget_before(now)
            if record.bounds.life == moves.GONE and self.rng.random() < 0.5:
                self.book.drop(record)

    def raise_problems(self):
        if self.problems:
            raise Failure(self.problems.pop(0))

    def end(self):
        """Removes all, by turns through both doors, and expects an empty store; fsck
        finds nothing before and after."""
        self.daemon.stop()
        self.wire.close()
        store.check_fsck(self.daemon)
        self.daemon.start()
        # a final ends with a part that it still waits for
        for record in sorted(self.book.all(), key=lambda r: r.kind != "final"):
            if record.bounds.life == moves.GONE:
                continue
            if self.rng.random() < 0.5 and record.kind != "final":
                moves.remove(record, self.mount)
            else:
                moves.terminate(self.wire, record)
        for top, folders, _ in os.walk(f"{self.mount}/complete", topdown=False):
            for folder in folders:
                os.rmdir(f"{top}/{folder}")
        self.daemon.stop()
        self.wire.close()
        self.daemon.start()
        self.daemon.stop()
        store.check_empty(self.daemon.store)
        store.check_fsck(self.daemon)

    def close(self, keep):
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.kill()
        self.daemon.unmount()
        for client in self.clients:
            client.join(10)
        if not keep:
            shutil.rmtree(self.folder)
