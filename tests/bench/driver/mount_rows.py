"""Rows of the mount: what programs do there, against the same on the file system below."""
import os
import statistics
import subprocess
import time

from .report import Result
from .servers import Tusfs, fill_catalog, make_old


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as drop:
        drop.write("3\n")


def read_again(places):
    """Brings the files into memory anew, where one can be luckier than the other with the
    pages that it gets."""
    drop_caches()
    for path in places.values():
        seconds_of("cat", path)


def in_turns(count, places, measure, prepare=None, times=1):
    """Runs measure(path) for each place in turns, after prepare(places), or else after once
    that does not count; what it gave, by place: of each round the median of `times` turns."""
    seen = {name: [] for name in places}
    order = list(places)
    for i in range(count):
        if prepare:
            prepare(places)
        elif i == 0:
            for path in places.values():
                measure(path)
        rates = {name: [] for name in places}
        for turn in range(i, i + times):
            for name in order if turn % 2 else reversed(order):
                rates[name].append(measure(places[name]))
        for name in order:
            seen[name].append(statistics.median(rates[name]))
    return seen


def against_native(work, measure, goal, seen, unit):
    ratios = [a / b for a, b in zip(seen["mount"], seen["native"])]
    return Result(work, measure, goal, ratios, seen, unit)


def seconds_of(*command):
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def send(tusfs, method, *options):
    """One request by curl; the Location, if the answer has one."""
    done = subprocess.run(
        ["curl", "-sSf", "-o", "/dev/null", "-D", "-", "-X", method, "-H", "Expect:",
         "-H", "Tus-Resumable: 1.0.0", *options, f"http://127.0.0.1:{tusfs.port}/files"],
        check=True, text=True, stdout=subprocess.PIPE)
    for line in done.stdout.splitlines():
        if line.lower().startswith("location:"):
            return line.split(":", 1)[1].strip()
    return None


def upload(tusfs, path, *fields):
    headers = [part for field in fields for part in ("-H", field)]
    return send(tusfs, "POST", "-H", f"Upload-Length: {os.path.getsize(path)}",
                "-H", "Content-Type: application/offset+octet-stream", "-T", path, *headers)


def write_noise(path, mib):
    block = os.urandom(1 << 20)
    with open(path, "wb") as out:
        for number in range(mib):
            out.write(number.to_bytes(8, "little") + block[8:])


class Reads:
    """A finished file of one piece, cached, by all the ways in which programs read."""

    def __init__(self, mib, random_ms, turns):
        self.mib = mib
        self.random_ms = random_ms  # how long each reads at random
        self.turns = turns  # of the other ways to read, in each round

    def run(self, tools, count):
        if not tools.mount:
            return
        with Tusfs(tools, "--sync=never") as tusfs:
            native = os.path.join(tusfs.folder, "native")
            write_noise(native, self.mib)
            upload(tusfs, native, "Upload-Metadata: filename cmVhZC5iaW4=")
            tusfs.settle()
            places = {"mount": os.path.join(tusfs.mountpoint, "complete", "read.bin"),
                      "native": native}
            yield from self.compare(tools, places, count)

    def compare(self, tools, places, count):
        work = f"a file of {self.mib} MiB in the mount, cached"
        for measure, goal, times, function in (
                ("dd bs=128K", 0.95, self.turns, lambda p: self.by_dd(p, "128K")),
                ("dd bs=1M", 0.95, self.turns, lambda p: self.by_dd(p, "1M")),
                ("cat", 0.95, self.turns, lambda p: self.mib / seconds_of("sh", "-c", 'cat "$0" | cat', p)),
                ("mmap", 0.95, self.turns, lambda p: tools.run("bench_files", "map", p)["rate"]),
                ("4 KiB at random, 1 job", 0.65, 1, lambda p: self.at_random(tools, p, 1)),
                ("4 KiB at random, 4 jobs", 0.9, 1, lambda p: self.at_random(tools, p, 4))):
            seen = in_turns(count, places, function, read_again, times)
            yield against_native(work, f"{measure}, times native", ("at least", goal), seen,
                                 "MiB/s")

    def by_dd(self, path, block):
        return self.mib / seconds_of("dd", f"if={path}", "of=/dev/null", f"bs={block}")

    def at_random(self, tools, path, jobs):
        return tools.run("bench_files", "random", path, jobs, self.random_ms)["rate"]


class Segments:
    """A final of four parts, as it is and compacted."""

    def __init__(self, mib):
        self.mib = mib

    def run(self, tools, count):
        if not tools.mount:
            return
        for compact, goal in (("off", 0.2), ("always", 0.95)):
            with Tusfs(tools, "--sync=never", f"--compact={compact}") as tusfs:
                native = os.path.join(tusfs.folder, "native")
                write_noise(native, self.mib)
                self.concatenate(tusfs, native)
                if compact == "always":
                    make_old(tusfs)
                    self.await_one_blob(tusfs)
                tusfs.settle()
                places = {"mount": os.path.join(tusfs.mountpoint, "complete", "final.bin"),
                          "native": native}
                seen = in_turns(count, places, lambda p: self.mib / seconds_of(
                    "dd", f"if={p}", "of=/dev/null", "bs=128K"), read_again, 9)
                yield against_native(f"{self.mib} MiB of 4 parts, --compact={compact}",
                                     "dd bs=128K, times native", ("at least", goal), seen,
                                     "MiB/s")

    def concatenate(self, tusfs, native):
        parts = []
        piece = os.path.join(tusfs.folder, "piece")
        for number in range(4):
            subprocess.run(["dd", f"if={native}", f"of={piece}", "bs=1M",
                            f"skip={number * self.mib // 4}", f"count={self.mib // 4}"],
                           check=True, stderr=subprocess.DEVNULL)
            parts.append(upload(tusfs, piece, "Upload-Concat: partial"))
        send(tusfs, "POST", "-H", "Upload-Concat: final;" + " ".join(parts),
             "-H", "Upload-Metadata: filename ZmluYWwuYmlu", "-H", "Content-Length: 0")

    def await_one_blob(self, tusfs):
        until = time.monotonic() + 300
        while not any(os.path.getsize(os.path.join(folder, name)) >= self.mib << 20
                      for folder, _, names in os.walk(os.path.join(tusfs.store, "blobs"))
                      for name in names):
            if time.monotonic() > until:
                raise RuntimeError("the final was not compacted")
            time.sleep(0.1)


class Names:
    """One folder with many names."""

    def __init__(self, names):
        self.names = names

    def run(self, tools, count):
        if not tools.mount:
            return
        tusfs = Tusfs(tools, "--sync=never")
        self.fill(tools, tusfs)
        with tusfs:
            tusfs.settle()
            places = {"mount": os.path.join(tusfs.mountpoint, "complete", "fill-0"),
                      "native": os.path.join(tusfs.folder, "native")}
            yield from self.compare(tools, places, count)
            yield Result(f"{self.names:,} names in one folder", "RSS in MiB", ("", 0),
                         [tusfs.rss()], {}, "")

    def fill(self, tools, tusfs):
        fill_catalog(tools, tusfs, self.names, self.names)
        native = os.path.join(tusfs.folder, "native")
        os.mkdir(native)
        for number in range(self.names):
            with open(os.path.join(native, f"upload-{number}.bin"), "wb") as out:
                out.write(b"1")

    def compare(self, tools, places, count):
        work = f"{self.names:,} names in one folder"
        looks = (("ls -l", lambda p: seconds_of("ls", "-l", p)),
                 ("find -size", lambda p: seconds_of("find", p, "-size", "+1")),
                 ("stat at random",
                  lambda p: tools.run("bench_looks", "stat", p, self.names)["seconds"]))
        for measure, function in looks:
            yield against_native(work, f"{measure}, hot, time in times native",
                                 ("at most", 1.15), in_turns(count, places, function), "s")
        yield against_native(work, "find -size, cold, time in times native", ("at most", 4),
                             in_turns(count, places, self.find_cold), "s")

    def find_cold(self, path):
        drop_caches()
        return seconds_of("find", path, "-size", "+1")


class Events:
    """How long after its last byte inotify tells of a finished upload."""

    def __init__(self, uploads):
        self.uploads = uploads

    def run(self, tools, count):
        if not tools.mount:
            return
        with Tusfs(tools, "--sync=never") as tusfs:
            seen = [tools.run("bench_looks", "events", tusfs.port,
                              os.path.join(tusfs.mountpoint, "complete"), self.uploads // count)
                    for _ in range(count)]
        work = f"inotify of {self.uploads // count * count:,} uploads, one event for each"
        yield Result(work, "ms from the last byte, median", ("at most", 1),
                     [s["request_p50_ms"] for s in seen], {}, "ms",
                     f"p99 {statistics.median(s['request_p99_ms'] for s in seen):.2f} ms")
        yield Result(work, "ms from the answer, median", ("", 0),
                     [s["answer_p50_ms"] for s in seen], {}, "ms")
