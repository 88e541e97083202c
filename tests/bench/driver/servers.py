"""The servers that are measured: started, watched through /proc, ended by their pid."""
import contextlib
import json
import mmap
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Tools:
    """Where the programs are that the rows need."""

    def __init__(self, root, build, modules, tusd, folder, mount):
        self.root = root
        self.build = build
        self.tusfs = os.path.join(build, "tusfs")
        self.modules = modules  # node_modules with @tus/server, or None
        self.tusd = tusd  # a path, or None
        self.folder = folder  # where stores go
        self.mount = mount

    def bench(self, name):
        return os.path.join(self.build, "tests", "bench", name)

    def run(self, name, *args):
        """Runs a load generator; what it prints last, as a dict."""
        done = subprocess.run([self.bench(name), *map(str, args)], text=True,
                              stdout=subprocess.PIPE, check=True, timeout=1800)
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, name, *args):
        return subprocess.Popen([self.bench(name), *map(str, args)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def status_of(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def allow_many_files():
    """As many as there may be; children inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def slow_uploads_possible():
    """A slow upload takes a file of the daemon, and now and then two; where it may open few,
    fewer are measured."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 10000 if files >= 13000 else (files - 3000) // 100 * 100


class Server:
    """A child process that prints `ready: port N` (or `ready: no port`), and its folder."""

    name = ""

    def __init__(self, tools, local=False):
        self.tools = tools
        self.folder = tempfile.mkdtemp(prefix=f"bench-{self.name.strip('@').split('/')[0]}-",
                                       dir=tools.folder)
        self.environment = dict(os.environ)
        self.process = None
        self.port = 0
        self.socket = os.path.join(self.folder, "socket") if local else None

    def address(self):
        """For load generators: the Unix socket if it is there for one, or else the port."""
        return self.socket or self.port

    def command(self):
        raise NotImplementedError

    def output(self):
        return "stdout"

    def start(self):
        self.process = subprocess.Popen(
            self.command(), text=True, env=self.environment,
            **{self.output(): subprocess.PIPE})
        lines = getattr(self.process, self.output())
        for line in lines:
            found = re.search(r"ready: (?:port (\d+)|no port)", line)
            if found:
                self.port = int(found.group(1) or 0)
                return self
        raise RuntimeError(f"{self.name} did not start")

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def stop(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def cpu(self):
        """Seconds of CPU that it has used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self):
        return status_of(self.process.pid, "VmRSS") / 1024

    def peak(self):
        return status_of(self.process.pid, "VmHWM") / 1024

    def settle(self):
        """Waits until it computes nothing any more, and the disk is quiet: the next round
        must not pay for this one."""
        before, now = None, self.cpu()
        until = time.monotonic() + 30
        while now != before and time.monotonic() < until:
            time.sleep(0.05)
            before, now = now, self.cpu()
        fd = os.open(self.folder, os.O_RDONLY)
        with contextlib.suppress(OSError):
            os.fsync(fd)
        os.close(fd)


class Bare(Server):
    name = "bare loop"

    def __init__(self, tools, *flags):
        super().__init__(tools)
        self.flags = flags

    def command(self):
        return [self.tools.bench("bench_bare"), self.folder, *self.flags]


class Peer(Server):
    name = "@tus/server"

    def command(self):
        return ["node", os.path.join(self.tools.root, "tests/bench/peer.mjs"),
                self.tools.modules, self.folder, *([self.socket] if self.socket else [])]


class Tusd(Server):
    name = "tusd"

    def command(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        return [self.tools.tusd, "-host", "127.0.0.1", "-port", str(self.port),
                "-upload-dir", self.folder, "-base-path", "/files/", "-hooks-enabled-events", ""]

    def start(self):
        command = self.command()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            time.sleep(0.1)
        raise RuntimeError("tusd did not start")


class Tusfs(Server):
    name = "tusfs"

    def __init__(self, tools, *options, slow_sync=0, local=False):
        super().__init__(tools, local)
        self.options = list(options)
        self.store = os.path.join(self.folder, "store")
        self.mountpoint = os.path.join(self.folder, "mnt")
        self.counter = os.path.join(self.folder, "syncs")
        self.environment["LD_PRELOAD"] = tools.bench("libbench_disk.so")
        self.environment["BENCH_SYNC_COUNT"] = self.counter
        self.environment["BENCH_SYNC_DELAY"] = str(slow_sync)

    def output(self):
        return "stderr"

    def command(self):
        listen = f"unix:{self.socket}" if self.socket else "127.0.0.1:0"
        options = ["-f", f"--listen={listen}", *self.options]
        if not self.tools.mount:
            return [self.tools.tusfs, *options, "--no-mount", self.store]
        os.makedirs(self.mountpoint, exist_ok=True)
        return [self.tools.tusfs, *options, self.store, self.mountpoint]

    def expired(self):
        """How many uploads have expired and are not removed yet."""
        with contextlib.closing(sqlite3.connect(os.path.join(self.store, "catalog.db"))) as db:
            return db.execute("SELECT count(*) FROM file WHERE expires BETWEEN 1 AND ?",
                              (int(time.time() * 1000000),)).fetchone()[0]

    def syncs(self):
        """fsync() and fdatasync() calls so far."""
        with open(self.counter, "rb") as counter, \
                mmap.mmap(counter.fileno(), 8, prot=mmap.PROT_READ) as seen:
            return int.from_bytes(seen[:8], "little")


def fill_catalog(tools, tusfs, count, each=1000, expired=0):
    """Gives a server that does not run a catalog of `count` finished uploads, of which some
    have expired."""
    tusfs.start()
    tusfs.end()
    subprocess.run([tools.bench("bench_fill"), os.path.join(tusfs.store, "catalog.db"),
                    str(count), str(each), str(expired)], check=True)


def make_old(tusfs):
    """A server leaves a final as it is for its first minute; this one's are older then."""
    tusfs.end()
    with contextlib.closing(sqlite3.connect(os.path.join(tusfs.store, "catalog.db"))) as db:
        db.execute("UPDATE file SET created = created - 3600000000")
        db.commit()
    tusfs.start()
