"""A power cut in every window: the daemon is stopped at the first fault point that a
request comes to, then at the second, until none is left; each time the disk is copied.
Needs the build with fault points."""

import os
import threading
import time

from . import moves
from .daemon import Failure
from .power import PowerRig
from .wire import Wire

SIZE = 100_000
WINDOWS_MAX = 200  # a request that comes to more of them will never end


class Flows:
    """Each prepares what it needs, and returns the request whose windows are cut."""

    def __init__(self, book, wire, mount):
        self.book, self.wire, self.mount = book, wire, mount

    def new(self, kind="plain", length=SIZE, folder="", filled=0, parts=()):
        record = self.book.add(kind, length, folder, parts)
        if kind != "final":
            moves.create(self.wire, record)
            if filled:
                moves.append(self.wire, record, filled)
        return record

    def create(self):
        record = self.book.add("plain", SIZE, "folder/deep")
        return lambda: moves.create(self.wire, record)

    def create_small(self):
        record = self.book.add("plain", 5000)
        return lambda: moves.create(self.wire, record, record.bytes(0, 5000))

    def create_with_bytes(self):
        record = self.book.add("plain", SIZE)
        return lambda: moves.create(self.wire, record, record.bytes(0, 60_000))

    def append(self):
        record = self.new(filled=1000)
        return lambda: moves.append(self.wire, record, 50_000)

    def append_checked(self):
        record = self.new(filled=1000)
        return lambda: moves.append(self.wire, record, 50_000, algorithm="sha1")

    def append_wrongly(self):
        record = self.new(filled=1000)
        return lambda: moves.append_wrongly(self.wire, record, 50_000, "sha1")

    def append_small(self):
        record = self.new(length=9000, filled=1000)
        return lambda: moves.append(self.wire, record, 2000)

    def finish(self):
        record = self.new(folder="other", filled=1000)
        return lambda: moves.append(self.wire, record, SIZE - 1000)

    def finish_part(self):
        """The last part of a final that waits for it."""
        parts = [self.new("partial", filled=SIZE), self.new("partial", filled=1000)]
        final = self.new("final", 2 * SIZE, parts=parts)
        moves.concatenate(self.wire, final)

        def finish():
            moves.append(self.wire, parts[1], SIZE - 1000)
            moves.complete_final(final)
        return finish

    def concatenate(self):
        parts = [self.new("partial", filled=SIZE) for _ in range(2)]
        final = self.new("final", 2 * SIZE, parts=parts)
        return lambda: moves.concatenate(self.wire, final)

    def terminate(self):
        record = self.new(filled=SIZE)

        def end():
            moves.terminate(self.wire, record)
            time.sleep(0.7)  # the janitor has the rest to do, within its period
        return end

    def remove(self):
        record = self.new(filled=SIZE)
        return lambda: moves.remove(record, self.mount)

    def move(self):
        record = self.new(filled=SIZE)
        return lambda: moves.move(record, self.mount, f"new/{record.name}")


FLOWS = [name for name in vars(Flows) if name[0] != "_" and name != "new"]


class WindowsRig(PowerRig):
    """As the power rig, with one client, which is this one."""

    def __init__(self, program, seed, options, file_system, cache):
        super().__init__(program, seed, options, file_system, cache)
        self.stop_file = f"{self.folder}/stop"
        self.daemon.environment = {"TUSFS_STOP_FILE": self.stop_file}
        self.armed = False  # a stop is waited for
        self.requests = 0
        self.flows = Flows(self.book, Wire(lambda: self.daemon.port),
                           self.daemon.mount)

    def run(self, flows, report):
        """Returns how many windows passed; the first failure ends it."""
        passed = 0
        self.daemon.start()
        threading.Thread(target=self.wake_latecomers, daemon=True).start()
        for flow in flows:
            try:
                for number in range(1, WINDOWS_MAX):
                    window = self.window(flow, number)
                    if not window:
                        break
                    passed += 1
                    report(f"{flow}, {number}: {window}")
            except Failure as failure:
                self.problems.append(f"{flow}: {failure}")
                break
        return passed

    def window(self, flow, number):
        """Cuts at the n-th fault point of a flow; None when it has fewer."""
        request = getattr(self.flows, flow)()
        self.armed = True
        with open(self.stop_file, "w", encoding="ascii") as file:
            self.requests += 1
            file.write(f"{number} {self.requests}")
        thread = threading.Thread(target=self.guarded, args=(request,))
        thread.start()
        stopped = self.wait_until_stopped(thread)
        os.unlink(self.stop_file)
        if stopped:
            self.cut_here(thread)
        self.armed = False
        thread.join()
        self.raise_problems()
        for record in self.book.all():
            self.book.drop(record) if record.bounds.life == moves.GONE else None
        return stopped

    def state(self):
        pid = self.daemon.process.pid
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def wake_latecomers(self):
        """A thread of the daemon's own may come to its point when the request has its
        answer already, and nobody waits for a stop any more."""
        while self.daemon.process.poll() is None:
            if not self.armed and self.state() == "T":
                self.daemon.go_on()
            time.sleep(0.01)

    def guarded(self, request):
        try:
            request()
        except Exception as error:  # reported by the thread that waits for this one
            self.problems.append(repr(error))

    def wait_until_stopped(self, thread):
        """The name of the point; None if the request came to its end."""
        while True:
            done = not thread.is_alive()
            if self.state() == "T":
                with open(f"{self.stop_file}.at", encoding="ascii") as file:
                    return file.read()
            if done:
                return None
            time.sleep(0.002)

    def cut_here(self, thread):
        since = time.monotonic()
        self.lab.cut()
        until = time.monotonic()
        book = self.book.snapshot()
        self.daemon.go_on()
        thread.join()
        self.raise_problems()
        self.compare(book, since, until)
