"""The daemon under test: started, killed, and what it said."""

import ctypes
import os
import re
import signal
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
READY_TIME = 60  # seconds: a machine under load is slow, a daemon that hangs is not ready

# All that the daemon may have to say in these rigs: anything else is bad news.
GOOD_NEWS = re.compile(r"tusfs: (ready: |stopping|complete files are read|kept \d+ bytes|"
                       r"detached a mount|the last run did not stop|the machine stopped|"
                       r"the mount has ended|warning: .* goes back to offset)")


class Failure(Exception):
    """A promise is broken."""


def adopt_orphans():
    """Children of a killed daemon become ours, so that we see whether they end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return found


class Daemon:
    """One store and its mount. start() and kill() in turns."""

    def __init__(self, program, store, mount, log, options=()):
        self.program, self.store, self.mount = program, store, mount
        self.log_path, self.options = log, list(options)
        self.process = None
        self.port = 0
        self.lines = []
        self.reader = None
        self.environment = {}

    def spawn(self):
        """Starts it, and does not wait until it is ready."""
        self.lines = []
        self.process = subprocess.Popen(
            [self.program, "-f", "--listen", "127.0.0.1:0", *self.options, self.store,
             self.mount],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace",
            env={**os.environ, **self.environment})
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(self.process,),
                                       daemon=True)
        self.reader.start()

    def _read(self, process):
        with open(self.log_path, "a", encoding="utf-8") as log:
            for line in process.stderr:
                log.write(line)
                self.lines.append(line.rstrip())
                found = re.search(r"ready: port (\d+)", line)
                if found:
                    self.port = int(found[1])
                    self.ready.set()
        self.ready.set()
        process.stderr.close()

    def start(self):
        self.spawn()
        if not self.ready.wait(READY_TIME):
            self.kill()
            raise Failure("the daemon does not get ready:\n" + "\n".join(self.lines))
        if not any("ready: port" in line for line in self.lines):
            raise Failure("the daemon does not start:\n" + "\n".join(self.lines))

    def said(self, text):
        return any(text in line for line in self.lines)

    def check_log(self):
        for line in list(self.lines):
            if not GOOD_NEWS.match(line):
                raise Failure("the daemon says: " + line)

    def kill(self):
        """SIGKILL; its children must not outlive it."""
        children = _children(self.process.pid)
        self.process.kill()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            raise Failure("the killed daemon does not end") from None
        for child in children:
            self._expect_end(child)
        self.reader.join()

    def _expect_end(self, child):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if os.waitpid(child, os.WNOHANG)[0] == child:
                    return
            except ChildProcessError:
                if not os.path.exists(f"/proc/{child}"):
                    return
            time.sleep(0.002)
        raise Failure(f"the daemon's child {child} outlives it")

    def stop(self):
        """An orderly stop."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise Failure(f"the daemon ended with {self.process.returncode}")
        self.reader.join()

    def go_on(self):
        """After it has stopped itself."""
        self.process.send_signal(signal.SIGCONT)

    def unmount(self):
        """Clears a stale mount."""
        subprocess.run(["umount", "-l", self.mount], stderr=subprocess.DEVNULL,
                       check=False)
