"""torture kill N, power N, windows, long GIB: see docs/RELIABILITY.md."""

import argparse
import faulthandler
import itertools
import os
import signal
import sys
import time

from .daemon import adopt_orphans
from .disk import MAKE
from .kill import KillRig
from .long import LongRig
from .power import PowerRig
from .windows import FLOWS, WindowsRig

REPORTED = 10  # a line every so many


def report(what):
    def line(passed, rig):
        if passed % REPORTED == 0:
            print(f"{passed} {what}, {sum(c.done for c in rig.clients)} requests, "
                  f"{len(rig.book.all())} uploads", flush=True)
    return line


def run(rig, count, what):
    """`count` and `what` are for rig.run(). Returns how many passed, and how many failed: none or one."""
    try:
        passed = rig.run(count, what)
    except BaseException:
        rig.close(keep=True)
        raise
    for problem in rig.problems:
        print("FAILED:", problem)
    if rig.problems:
        print("logs are kept in", rig.folder)
    rig.close(keep=bool(rig.problems))
    return passed, int(bool(rig.problems))


def torture_kill(arguments):
    rig = KillRig(arguments.program, arguments.seed, arguments.option)
    return run(rig, arguments.count, report("kills"))


def torture_power(arguments):
    """Every file system with every kind of cache, in turns."""
    kinds = list(itertools.product(arguments.fs or MAKE,
                                   arguments.cache or ("keeps", "loses")))
    passed, failed = 0, 0
    for turn, (file_system, cache) in enumerate(kinds):
        count = arguments.count // len(kinds) + (turn < arguments.count % len(kinds))
        print(f"{file_system}, a cache that {cache}: {count} cuts", flush=True)
        rig = PowerRig(arguments.program, arguments.seed, arguments.option, file_system,
                       cache)
        done, broken = run(rig, count, report("cuts"))
        passed += done
        failed += broken
    return passed, failed


def torture_windows(arguments):
    rig = WindowsRig(arguments.program, arguments.seed, arguments.option,
                     (arguments.fs or ["ext4"])[0], (arguments.cache or ["loses"])[0])
    return run(rig, arguments.flow or FLOWS, lambda line: print(line, flush=True))


def torture_long(arguments):
    size = int(arguments.count * (1 << 30))
    rig = LongRig(arguments.program, arguments.seed, arguments.option,
                  int(arguments.rate * (1 << 20)))
    return run(rig, size, lambda line: print(line, flush=True))


def main():
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("what", choices=("kill", "power", "windows", "long"))
    parser.add_argument("count", type=float, nargs="?",
                        help="how many, 100; of long, how many GiB, 10")
    parser.add_argument("--rate", type=float, default=0,
                        help="of long: MiB a second, instead of full speed")
    parser.add_argument("--program", required=True, help="the daemon")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--fs", action="append", choices=list(MAKE))
    parser.add_argument("--cache", action="append", choices=("keeps", "loses"))
    parser.add_argument("--flow", action="append", choices=FLOWS)
    parser.add_argument("--option", action="append", default=[],
                        help="an option for the daemon, such as --option=--sync=finish")
    arguments = parser.parse_args()
    if arguments.count is None:
        arguments.count = 10 if arguments.what == "long" else 100
    if arguments.what != "long":
        arguments.count = int(arguments.count)
    arguments.program = os.path.abspath(arguments.program)
    print(f"seed {arguments.seed}", flush=True)
    adopt_orphans()
    faulthandler.register(signal.SIGUSR1)
    torture = {"kill": torture_kill, "power": torture_power,
               "windows": torture_windows, "long": torture_long}
    passed, failed = torture[arguments.what](arguments)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
