"""Who watches with inotify sees each upload come, finish and go, once and in order."""

import os
import statistics
import threading
import time

from support import Tus, Watch, check, main


def one_upload(tus, watch, mount):
    url = tus.create(5, {"filename": "a"})
    watch.expect([("incoming", "CREATE", "a")])
    tus.patch(url, 0, b"12")
    tus.patch(url, 2, b"345")
    watch.expect([("incoming", "MOVED_FROM", "a"), ("complete", "MOVED_TO", "a")])
    tus.delete(url)
    watch.expect([("complete", "DELETE", "a")])


def an_unfinished_one(tus, watch, mount):
    url = tus.create(5, {"filename": "b"})
    watch.expect([("incoming", "CREATE", "b")])
    tus.delete(url)
    watch.expect([("incoming", "DELETE", "b")])


def names_that_others_looked_at(tus, watch, mount):
    """A name that is cached, as there or not there, changes nothing."""
    for path in ("complete/c", "incoming/c"):
        check(not os.path.exists(f"{mount}/{path}"), f"{path} is there")
    url = tus.create(5, {"filename": "c"})
    watch.expect([("incoming", "CREATE", "c")])
    os.stat(f"{mount}/incoming/c")
    check(not os.path.exists(f"{mount}/complete/c"), "complete/c is there")
    tus.patch(url, 0, b"12345")
    watch.expect([("incoming", "MOVED_FROM", "c"), ("complete", "MOVED_TO", "c")])
    os.stat(f"{mount}/complete/c")
    tus.delete(url)
    watch.expect([("complete", "DELETE", "c")])


def a_new_folder(tus, watch, mount):
    url = tus.create(1, {"filename": "e", "relativePath": "d/dd/e"})
    tus.patch(url, 0, b"1")
    watch.expect([("complete", "CREATE", "d")])
    watch.add(f"{mount}/complete/d/dd")
    again = tus.create(1, {"filename": "f", "relativePath": "d/dd/f"})
    tus.patch(again, 0, b"1")
    watch.expect([("dd", "MOVED_TO", "f")])
    tus.delete(url)
    tus.delete(again)
    watch.expect([("dd", "DELETE", "e"), ("dd", "DELETE", "f")])
    os.rmdir(f"{mount}/complete/d/dd")
    os.rmdir(f"{mount}/complete/d")
    watch.expect([("complete", "DELETE", "d")])


def rm_and_mv(tus, watch, mount):
    url = tus.upload("g", b"1")
    watch.expect([("incoming", "CREATE", "g"), ("incoming", "MOVED_FROM", "g"),
                  ("complete", "MOVED_TO", "g")])
    os.rename(f"{mount}/complete/g", f"{mount}/complete/h")
    watch.expect([("complete", "MOVED_FROM", "g"), ("complete", "MOVED_TO", "h")])
    os.unlink(f"{mount}/by-id/{os.path.basename(url)}")
    watch.expect([("complete", "DELETE", "h")])


def upload_many(server, name, count):
    tus = Tus(server)
    for number in range(count):
        tus.upload(f"{name} {number}", b"content")


def many(server, watch, count):
    """1:1, from several connections, with nobody waiting for the events."""
    threads = [threading.Thread(target=upload_many, args=(server, f"t{number}", count // 4))
               for number in range(4)]
    for thread in threads:
        thread.start()
    seen = {}
    while any(thread.is_alive() for thread in threads) or (more := watch.take(1)):
        for event in watch.take(1) if any(t.is_alive() for t in threads) else more:
            seen[event] = seen.get(event, 0) + 1
    for number in range(4):
        for turn in range(count // 4):
            name = f"t{number} {turn}"
            for event in (("incoming", "CREATE"), ("incoming", "MOVED_FROM"),
                          ("complete", "MOVED_TO")):
                check(seen.pop((*event, name), 0) == 1, f"{event} of {name}: not once")
    check(not seen, f"events too many: {seen}")


def delay(tus, watch, mount):
    """From the last byte's request to the event."""
    times = []
    for number in range(50):
        url = tus.create(1, {"filename": f"w{number}"})
        watch.expect([("incoming", "CREATE", f"w{number}")])
        began = time.monotonic()
        tus.patch(url, 0, b"1")
        watch.expect([("incoming", "MOVED_FROM", f"w{number}"),
                      ("complete", "MOVED_TO", f"w{number}")])
        times.append(time.monotonic() - began)
    print(f"PATCH and its event: {statistics.median(times) * 1000:.2f} ms at the median")


def run(server, mount, count):
    tus = Tus(server)
    watch = Watch(f"{mount}/complete", f"{mount}/incoming")
    one_upload(tus, watch, mount)
    an_unfinished_one(tus, watch, mount)
    names_that_others_looked_at(tus, watch, mount)
    rm_and_mv(tus, watch, mount)
    delay(tus, watch, mount)
    many(server, watch, int(count))
    watch.close()
    only = Watch(f"{mount}/complete")
    a_new_folder(tus, only, mount)
    only.close()


if __name__ == "__main__":
    main(run)
