"""The rows of the table: each measures, and yields its results."""
import contextlib
import json
import os
import statistics
import time

from .mount_rows import Events, Names, Reads, Segments
from .report import Result
from .servers import Bare, Peer, Tusd, Tusfs, fill_catalog, slow_uploads_possible


def peers(tools, local=False):
    """The peers that are at hand, the one that goals speak of first."""
    found = [Peer(tools, local)] if tools.modules else []
    return found + ([Tusd(tools)] if tools.tusd and not local else [])


def rounds(servers, count, measure):
    """Runs measure(server) in turns; what it gave, by server."""
    seen = {server: [] for server in servers}
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        for i in range(count):
            at = i % len(servers)
            for server in servers[at:] + servers[:at]:
                seen[server].append(measure(server))
                server.settle()
        for server in servers:
            server.peak_mib = server.peak()
    return seen


def peak_result(work, tusfs):
    return Result(work, "peak memory", ("at most", 64), [tusfs.peak_mib], {}, "MiB",
                  f"{tusfs.peak_mib:.1f} MiB")


def faster(work, goal, against, mine, other, **more):
    """A ratio of two rates (or of times the other way round)."""
    unit = more.pop("unit")
    ratios = [a / b for a, b in zip(mine, other)]
    return Result(work, f"times {against}", goal, ratios, {"tusfs": mine, against: other},
                  unit, **more)


class Streams:
    """Large bodies against the bare loop, and against the peers."""

    def __init__(self, title, streams, mib, goal, options=(), flags=(), mode="tus", peer=0):
        self.title = title
        self.streams = streams
        self.mib = mib
        self.goal = goal
        self.options = options
        self.flags = flags
        self.mode = mode
        self.peer = peer  # the goal against @tus/server

    def measure(self, tools, server):
        mode = "bare" if isinstance(server, Bare) else self.mode
        took = tools.run("bench_streams", server.port, mode, self.streams, self.mib)
        return self.streams * self.mib / took["seconds"]

    def run(self, tools, count):
        tusfs = Tusfs(tools, *self.options)
        bare = Bare(tools, *self.flags)
        others = peers(tools) if self.peer else []
        seen = rounds([bare, tusfs] + others, count, lambda s: self.measure(tools, s))
        yield faster(self.title, ("at least", self.goal), "bare loop", seen[tusfs],
                     seen[bare], unit="MiB/s")
        for other in others:
            goal = ("at least", self.peer) if isinstance(other, Peer) else ("", 0)
            yield faster(self.title, goal, other.name, seen[tusfs], seen[other], unit="MiB/s")
        yield peak_result(self.title, tusfs)


class Requests:
    """Small uploads and HEAD, against the peers."""

    def __init__(self, title, work, connections, requests, goal, options=(), p99=0, syncs=0,
                 local=False):
        self.title = title
        self.work = work
        self.connections = connections
        self.requests = requests
        self.goal = goal
        self.options = options
        self.p99 = p99
        self.syncs = syncs
        self.local = local  # over a Unix socket

    def measure(self, tools, server):
        # A peer is given less to do, so that its turn does not last much longer.
        share = 1 if isinstance(server, Tusfs) else 8
        requests = max(self.connections * 2, self.requests // share)
        before = server.syncs() if isinstance(server, Tusfs) else 0
        seen = tools.run("bench_requests", server.address(), self.work, self.connections,
                         requests)
        if isinstance(server, Tusfs):
            seen["syncs"] = (server.syncs() - before) / requests
        return seen

    def run(self, tools, count):
        tusfs = Tusfs(tools, *self.options, local=self.local)
        others = peers(tools, self.local)
        seen = rounds([tusfs] + others, count, lambda s: self.measure(tools, s))
        rate = {server: [s["rate"] for s in seen[server]] for server in seen}
        for other in others:
            goal = ("at least", self.goal) if isinstance(other, Peer) else ("", 0)
            yield faster(self.title, goal, other.name, rate[tusfs], rate[other],
                         unit="a second")
        waits = [s["p99_ms"] for s in seen[tusfs]]
        series = {s.name: [r["p99_ms"] for r in seen[s]] for s in seen}
        yield Result(self.title, "p99 in ms", ("at most", self.p99) if self.p99 else ("", 0),
                     waits, series, "ms")
        if self.syncs:
            yield Result(self.title, "fdatasyncs an upload", ("at most", self.syncs),
                         [s["syncs"] for s in seen[tusfs]], {}, "")
        yield peak_result(self.title, tusfs)


class Finals:
    """Concatenation: of small and of large parts, and of many."""

    def __init__(self, large_mib, times):
        self.large = large_mib
        self.times = times  # that the one of 1,000 parts is made

    def run(self, tools, count):
        with Tusfs(tools, "--sync=never") as tusfs:
            yield from self.compare(tools, tusfs, max(count, 5))
            tusfs.settle()
            took = tools.run("bench_finals", tusfs.port, 1000, 0, self.times, 32 * 1024)
            yield Result("final of 1,000 parts", "ms", ("at most", 50), [took["ms"]], {}, "ms")
            tusfs.peak_mib = tusfs.peak()
        yield peak_result("finals", tusfs)

    def compare(self, tools, tusfs, count):
        small, large = [], []
        for _ in range(2):
            small.append(tools.run("bench_finals", tusfs.port, 4, 1, count * 10)["ms"])
        large.append(tools.run("bench_finals", tusfs.port, 4, self.large, count * 10)["ms"])
        small.append(tools.run("bench_finals", tusfs.port, 4, 1, count * 10)["ms"])
        yield Result("final of 4 parts of 1 MiB", "ms", ("at most", 5), small, {}, "ms")
        yield Result(f"final of 4 parts of {self.large} MiB", "ms", ("at most", 5), large, {},
                     "ms")
        yield Result("final of large parts", "times one of small parts", ("at most", 1.5),
                     [statistics.median(large) / statistics.median(small)], {}, "")


class Crowd:
    """Connections that idle, or upload slowly."""

    def __init__(self, slow, pieces):
        self.slow = slow
        self.pieces = pieces

    def run(self, tools, _count):
        yield from self.idle(tools)
        yield from self.slow_uploads(tools, 500, 64)
        yield from self.slow_uploads(tools, self.slow, 0)

    def idle(self, tools):
        work = "1,000 keep-alive connections, a request each"
        with Tusfs(tools, "--max-connections=2000") as tusfs:
            crowd = tools.start("bench_crowd", tusfs.port, "idle", 1000)
            crowd.stdout.readline()
            time.sleep(5)
            yield Result(work, "memory 5 s later in MiB", ("at most", 64), [tusfs.rss()], {}, "")
            crowd.stdin.close()
            crowd.wait(60)

    def slow_uploads(self, tools, connections, goal):
        work = f"{connections:,} slow uploads (2 KiB a second each)"
        with Tusfs(tools, f"--max-connections={connections + 1000}") as tusfs:
            began, cpu = time.monotonic(), tusfs.cpu()
            crowd = tools.start("bench_crowd", tusfs.port, "slow", connections, 2048,
                                self.pieces)
            crowd.stdout.readline()
            if tools.mount and not goal:
                # 25 a second: they end before the uploads do
                looks = (self.pieces - 1) * 17
                listed = tools.run("bench_files", "list",
                                   os.path.join(tusfs.mountpoint, "complete"), looks)
                yield Result(work, "ls in the mount, p99 in ms", ("at most", 10),
                             [listed["p99_ms"]], {}, "",
                             f"of {looks}; the longest {listed['max_ms']:.3g} ms")
            line = crowd.stdout.readline()
            if crowd.wait(60) != 0:
                raise RuntimeError(f"not all of {connections} uploads were served")
            took = time.monotonic() - began
            yield Result(work, "peak memory", ("at most", goal) if goal else ("", 0),
                         [tusfs.peak()], {}, "MiB",
                         f"all served in {json.loads(line)['seconds']:.0f} s")
            yield Result(work, "CPU of the daemon in %", ("", 0),
                         [100 * (tusfs.cpu() - cpu) / took], {}, "")


class Catalog:
    """A catalog with many uploads in it, against an empty one."""

    def __init__(self, sizes, requests):
        self.sizes = sizes
        self.requests = requests

    def run(self, tools, count):
        for size in self.sizes:
            yield from self.compare(tools, size, count)

    def compare(self, tools, size, count):
        work = f"catalog of {size:,} uploads"
        full, empty = Tusfs(tools), Tusfs(tools)
        fill_catalog(tools, full, size, expired=size // 50)
        began = time.monotonic()
        with full:
            yield Result(work, "start in s", ("at most", 1), [time.monotonic() - began], {}, "")
            yield from self.clean(tools, work, full)
            yield from self.serve(tools, work, full, empty, count)

    def clean(self, tools, work, full):
        """HEAD for as long as the janitor removes what has expired, and after that."""
        busy = []
        while full.expired():
            busy.append(tools.run("bench_requests", full.port, "head", 4, self.requests))
        if not busy:
            raise RuntimeError("the janitor's pass ended before there was a request")
        full.settle()
        quiet = tools.run("bench_requests", full.port, "head", 4, self.requests)
        for measure, goal in (("p99", ("", 0)), ("max", ("at most", 10))):
            worst = max(seen[f"{measure}_ms"] for seen in busy)
            yield Result(work, f"HEAD in the janitor's pass, {measure} in ms", goal, [worst],
                         {}, "", f"{quiet[f'{measure}_ms']:.3g} ms without; of "
                         f"{len(busy) * self.requests:,} in the pass")

    def serve(self, tools, work, full, empty, count):
        with empty:
            for name, request in (("create", "upload"), ("HEAD", "head")):
                yield self.ratio(tools, work, name, request, full, empty, count)
            yield Result(work, "RSS in MiB", ("at most", 100), [full.rss()], {}, "")

    def ratio(self, tools, work, name, request, full, empty, count):
        seen = {full: [], empty: []}
        for i in range(count):
            for server in (full, empty) if i % 2 else (empty, full):
                took = tools.run("bench_requests", server.port, request, 16, self.requests)
                seen[server].append(took["p50_ms"])
                server.settle()
        ratios = [a / b for a, b in zip(seen[full], seen[empty])]
        return Result(work, f"{name}, times an empty one", ("at most", 1.2), ratios,
                      {"full": seen[full], "empty": seen[empty]}, "ms at p50")


class SlowDisk:
    """fdatasync takes 200 ms, while uploads are written and synced each second: who does
    not write must not wait, and another upload only for its own syncs and one that runs
    already."""

    def __init__(self, writers, seconds):
        self.writers = writers
        self.seconds = seconds  # of writing, longer than the looks take

    def run(self, tools, _count):
        with Tusfs(tools, slow_sync=200) as tusfs:
            quiet = self.looks(tools, tusfs)
            writers = tools.start("bench_crowd", tusfs.port, "slow", self.writers, 65536,
                                  self.seconds)
            writers.stdout.readline()
            busy = self.looks(tools, tusfs)
            if writers.poll() is not None:
                raise RuntimeError("the writers ended before the looks did")
            if writers.wait(60) != 0:
                raise RuntimeError("not all of the writers were served")
        for name, value in quiet.items():
            goal = 2 * value if name.startswith("small") else 50
            yield Result("slow disk", name, ("at most", round(goal)), [busy[name]], {}, "",
                         f"{value:.3g} ms without writers")

    def looks(self, tools, tusfs):
        def request(work, connections, count, measure):
            return tools.run("bench_requests", tusfs.port, work, connections,
                             count)[f"{measure}_ms"]

        seen = {"HEAD, p99 in ms": request("head", 4, 4000, "p99"),
                "GET, p99 in ms": request("get", 4, 4000, "p99")}
        if tools.mount:
            folder = os.path.join(tusfs.mountpoint, "complete")
            seen["ls, p99 in ms"] = tools.run("bench_files", "list", folder, 20)["p99_ms"]
        seen["small upload, p50 in ms"] = request("upload", 4, 12, "p50")
        return seen


def all_rows(quick):
    """Every row by a short name. A quick run has the same rows with less work in each."""
    big, small = (128, 8) if quick else (4096, 256)
    uploads, durable, heads = (1000, 800, 6000) if quick else (40000, 20000, 100000)
    one = 128 if quick else 1024
    never = ("--sync=never",)
    return {
        "ingest": Streams(f"one PATCH of {one} MiB, never", 1, one, 0.9, never),
        "stream": Streams(f"one stream of {big} MiB, never", 1, big, 0.95, never, peer=5),
        "stream-sync": Streams(f"one stream of {big} MiB, always", 1, big, 1.0,
                               flags=("--sync",)),
        "streams": Streams(f"16 streams of {small} MiB, never", 16, small, 0.9, never),
        "streams-sync": Streams(f"16 streams of {small} MiB, always", 16, small, 0.9,
                                flags=("--sync",)),
        "hash": Streams(f"one stream of {big} MiB with sha256, never", 1, big, 0.95, never,
                        ("--sha256",), mode="checked"),
        "patch-16": Requests("create + PATCH of 4 KiB, 16 connections, never", "patch", 16,
                             uploads, 13, never, p99=10),
        "patch-64": Requests("create + PATCH of 4 KiB, 64 connections, never", "patch", 64,
                             uploads, 13, never, p99=10),
        "durable-16": Requests("create + PATCH of 4 KiB, 16 connections, always", "patch", 16,
                               durable, 6.7, syncs=1),
        "durable-64": Requests("create + PATCH of 4 KiB, 64 connections, always", "patch", 64,
                               durable, 6.7, syncs=0.3),
        "upload-64": Requests("creation with 4 KiB, 64 connections, always", "upload", 64,
                              durable, 6.7, syncs=0.3),
        "head": Requests("HEAD, 16 connections", "head", 16, heads, 35),
        "head-local": Requests("HEAD, 16 connections, Unix sockets", "head", 16, heads, 35,
                               local=True),
        "finals": Finals(4, 1) if quick else Finals(2048, 5),
        "crowd": Crowd(1000 if quick else slow_uploads_possible(),
                       pieces=3 if quick else 26),
        "slow-disk": SlowDisk(8, 7) if quick else SlowDisk(20, 12),
        "catalog": Catalog((20000,) if quick else (1000000, 5000000), heads // 10),
        "reads": Reads(64, 100, turns=5) if quick else Reads(1024, 3000, turns=9),
        "segments": Segments(32 if quick else 1024),
        "names": Names(2000 if quick else 100000),
        "events": Events(300 if quick else 10000),
    }
