"""The rig of long bodies: the daemon is killed in the middle of one long PATCH. Nothing
may be lost that was sent a second before; of a PATCH that promises a checksum, nothing
may be kept."""

import os
import random
import shutil
import tempfile
import threading
import time

from . import store
from .daemon import Daemon, Failure
from .wire import Lost, Wire

PIECE = 1 << 20
SECOND = 1.0
DIGEST = "sha1 " + "A" * 27 + "="  # of nothing that is sent


class Body:
    """Bytes that tell where they belong."""

    def __init__(self, rng, size):
        self.noise = rng.randbytes(PIECE)
        self.size = size

    def piece(self, number):
        whole = number.to_bytes(8, "big") + self.noise[8:]
        return whole[:self.size - number * PIECE]

    def pieces(self, offset):
        for number in range(offset // PIECE, -(-self.size // PIECE)):
            piece = self.piece(number)
            yield piece[offset - number * PIECE:] if number * PIECE < offset else piece

    def compare(self, path, size):
        """The first `size` bytes, and no more, are in the file."""
        if os.stat(path).st_size != size:
            raise Failure(f"{path} has {os.stat(path).st_size} bytes, not {size}")
        with open(path, "rb") as file:
            for number in range(-(-size // PIECE)):
                wanted = self.piece(number)[:size - number * PIECE]
                if file.read(PIECE) != wanted:
                    raise Failure(f"{path} differs behind {number * PIECE}")


class Sending(threading.Thread):
    """One PATCH, at `rate` bytes a second (0: at full speed); it ends with the daemon."""

    def __init__(self, wire, path, body, headers, rate):
        super().__init__(daemon=True)
        self.wire, self.path, self.body = wire, path, body
        self.headers, self.rate = headers, rate
        self.sent = 0
        self.marks = [(time.monotonic(), 0)]  # what had been sent at some times

    def run(self):
        headers = {"Upload-Offset": "0", "Content-Length": str(self.body.size),
                   "Content-Type": "application/offset+octet-stream", **self.headers}
        self.wire.break_off(self.path, headers, self.paced())

    def paced(self):
        begun = time.monotonic()
        for piece in self.body.pieces(0):
            if self.rate:
                time.sleep(max(0, begun + self.sent / self.rate - time.monotonic()))
            yield piece
            self.sent += len(piece)
            self.marks.append((time.monotonic(), self.sent))

    def sent_by(self, when):
        return max(sent for at, sent in self.marks if at <= when or sent == 0)


class LongRig:
    def __init__(self, program, seed, options=(), rate=0):
        self.rng, self.rate = random.Random(seed), rate
        self.folder = tempfile.mkdtemp(prefix="torture-")
        self.mount = f"{self.folder}/mnt"
        os.mkdir(self.mount)
        self.daemon = Daemon(program, f"{self.folder}/store", self.mount,
                             f"{self.folder}/log", options)
        self.wire = Wire(lambda: self.daemon.port)
        self.problems = []

    def run(self, size, report):
        """Returns how many of the two rounds passed; the first failure ends it."""
        passed = 0
        body = Body(self.rng, size)
        self.daemon.start()
        try:
            for one in (self.plain, self.checked):
                report(one(body))
                passed += 1
            self.daemon.stop()
            store.check_empty(self.daemon.store)
        except (Failure, Lost) as failure:
            self.problems.append(str(failure))
        return passed

    def create(self, size):
        answer = self.wire.ask("POST", "/files/", {"Upload-Length": str(size)})
        if answer.status != 201:
            raise Failure(f"creation: {answer.status}")
        return answer.headers["location"]

    def kill_in_the_middle(self, path, body, headers):
        """Returns the offset after it, and what had been sent a second before."""
        sending = Sending(Wire(lambda: self.daemon.port), path, body, headers, self.rate)
        until = int(body.size * self.rng.uniform(0.4, 0.9))
        sending.start()
        while sending.sent < until and sending.is_alive():
            time.sleep(0.001)
        if not sending.is_alive():
            raise Failure(f"the PATCH ended by itself after {sending.sent} bytes")
        killed = time.monotonic()
        self.daemon.kill()
        sending.join()
        self.daemon.check_log()
        self.wire.close()
        self.daemon.start()
        store.check_excess(self.daemon.store)
        return self.offset(path), sending.sent_by(killed - SECOND), sending.sent

    def offset(self, path):
        answer = self.wire.ask("HEAD", path)
        if answer.status != 200:
            raise Failure(f"HEAD: {answer.status}")
        return answer.number("upload-offset")

    def file(self, path, folder):
        return f"{self.mount}/{folder}/{path.rsplit('/', 1)[1]}"

    def remove(self, path):
        answer = self.wire.ask("DELETE", path)
        if answer.status != 204:
            raise Failure(f"DELETE: {answer.status}")

    def plain(self, body):
        path = self.create(body.size)
        offset, before, sent = self.kill_in_the_middle(path, body, {})
        if before == 0:
            raise Failure("it was over within a second: take a longer body")
        if not before <= offset <= sent:
            raise Failure(f"{before} bytes had been sent a second before the kill, "
                          f"{sent} in all, and {offset} were kept")
        body.compare(self.file(path, "incoming"), offset)
        self.finish(path, body, offset)
        self.remove(path)
        return (f"killed after {sent} bytes, of which {before} more than a second "
                f"before: {offset} were kept")

    def finish(self, path, body, offset):
        answer = self.wire.stream(
            "PATCH", path,
            {"Upload-Offset": str(offset), "Content-Length": str(body.size - offset),
             "Content-Type": "application/offset+octet-stream"}, body.pieces(offset))
        if answer.status != 204:
            raise Failure(f"PATCH from {offset}: {answer.status}")
        body.compare(self.file(path, "complete"), body.size)

    def checked(self, body):
        path = self.create(body.size)
        offset, _, sent = self.kill_in_the_middle(path, body, {"Upload-Checksum": DIGEST})
        if offset:
            raise Failure(f"{offset} bytes were kept that no checksum covers")
        body.compare(self.file(path, "incoming"), 0)
        self.remove(path)
        return f"killed after {sent} bytes with a checksum still to come: none was kept"

    def close(self, keep):
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.kill()
        self.daemon.unmount()
        shutil.rmtree(f"{self.folder}/store", ignore_errors=True)
        if not keep:
            shutil.rmtree(self.folder)
