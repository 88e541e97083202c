"""torture kill|power N: see docs/RELIABILITY.md."""

import argparse
import faulthandler
import signal
import sys
import time

from .daemon import adopt_orphans
from .kill import KillRig


def report(passed, rig):
    if passed % 10 == 0:
        print(f"{passed} kills, {sum(c.done for c in rig.clients)} requests, "
              f"{len(rig.book.all())} uploads", flush=True)


def torture_kill(arguments):
    rig = KillRig(arguments.program, arguments.seed, arguments.option)
    try:
        passed = rig.run(arguments.count, report)
    except BaseException:
        rig.close(keep=True)
        raise
    for problem in rig.problems:
        print("FAILED:", problem)
    if rig.problems:
        print("the store and the log are kept in", rig.folder)
    rig.close(keep=bool(rig.problems))
    return passed, 1 if rig.problems else 0


def main():
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("what", choices=("kill", "power"))
    parser.add_argument("count", type=int)
    parser.add_argument("--program", required=True, help="the daemon")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--option", action="append", default=[],
                        help="an option for the daemon, such as --option=--sync=finish")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    adopt_orphans()
    faulthandler.register(signal.SIGUSR1)
    passed, failed = torture_kill(arguments)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
