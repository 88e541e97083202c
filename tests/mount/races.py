"""A change by one door while the other finishes the same upload: whatever comes first,
both answer soon, and what is seen afterwards is the same everywhere."""

import http.client
import os
import random
import shutil
import threading
import time

from support import Tus, Watch, check, main

SECONDS = 20  # far longer than any answer takes; what takes longer is stuck


def finish(tus, url, content):
    """Sends the last bytes. A rm that comes first may cut the connection."""
    try:
        tus.ask("PATCH", url, {
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream"}, content)
    except (http.client.HTTPException, ConnectionError):
        tus.connection.close()


def both(*actions):
    """Runs actions at the same time, each in a thread, and waits for all."""
    start = threading.Barrier(len(actions))
    threads = []
    for action in actions:
        def run(action=action):
            start.wait()
            action()
        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(SECONDS)
        check(not thread.is_alive(), "an answer does not come: the mount is stuck")


def try_unlink(path, removed):
    try:
        os.unlink(path)
        removed.append(path)
    except FileNotFoundError:
        pass


def check_removed(tus, mount, name, url, removed):
    """The upload is gone from both doors, or there by both, and then is removed."""
    incoming, complete = f"{mount}/incoming/{name}", f"{mount}/complete/{name}"
    check(not os.path.exists(incoming), f"{incoming} is left")
    status = tus.status(url)
    check(status == (410 if removed else 200), f"{url}: {status}, removed: {removed}")
    check(os.path.exists(complete) == (not removed), f"{complete}: removed: {removed}")
    if not removed:
        os.unlink(complete)


def rm_against_finish(tus, mount, name):
    """rm in incoming/ while the last byte is committed."""
    url = tus.create(4, {"filename": name})
    removed = []
    os.path.exists(f"{mount}/complete/{name}")
    both(lambda: finish(tus, url, b"last"),
         lambda: try_unlink(f"{mount}/incoming/{name}", removed))
    check_removed(tus, mount, name, url, removed)


def rm_by_id_against_finish(tus, mount, name):
    url = tus.create(4, {"filename": name})
    removed = []
    os.path.exists(f"{mount}/complete/{name}")
    both(lambda: finish(tus, url, b"last"),
         lambda: try_unlink(f"{mount}/by-id/{os.path.basename(url)}", removed))
    check_removed(tus, mount, name, url, removed)


def keep_creating(server, number, stop):
    tus = Tus(server)
    count = 0
    while not stop.is_set():
        tus.upload(f"crowd {number} {count}", b"0123456789")
        count += 1


def keep_appending(server, url, stop):
    tus = Tus(server)
    offset = 0
    while not stop.is_set():
        answer = tus.ask("PATCH", url, {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream"}, b"x")
        if answer.status != 204:
            return
        offset += 1


def rm_beside_a_crowd(server, mount, rounds):
    """rm holds a folder and waits for a small append to end, while others are told of in
    that folder: who commits the append must not be the one who tells. A rm that waits in
    vain fails after 5 s."""
    tus = Tus(server)
    stop = threading.Event()
    crowd = [threading.Thread(target=keep_creating, args=(server, i, stop), daemon=True)
             for i in range(4)]
    for thread in crowd:
        thread.start()
    for i in range(rounds):
        url = tus.create(16000, {"filename": f"victim {i}"})
        ended = threading.Event()
        writer = threading.Thread(target=keep_appending, args=(server, url, ended),
                                  daemon=True)
        writer.start()
        os.unlink(f"{mount}/incoming/victim {i}")
        ended.set()
        writer.join(SECONDS)
        check(tus.status(url) == 410, f"victim {i} is there after rm")
    stop.set()
    for thread in crowd:
        thread.join(SECONDS)
        check(not thread.is_alive(), "an answer does not come: the mount is stuck")
    for name in os.listdir(f"{mount}/complete"):
        os.unlink(f"{mount}/complete/{name}")


def mv_onto_finish(tus, mount, name):
    """mv to the name of an upload that is finishing replaces it only when it is seen."""
    old = tus.upload(f"{name} old", b"old")
    new = tus.create(4, {"filename": name})
    complete = f"{mount}/complete/{name}"
    moved = []

    def move():
        seen = os.path.exists(complete)
        try:
            os.rename(f"{mount}/complete/{name} old", complete)
            moved.append(seen)
        except FileExistsError:
            pass

    both(lambda: finish(tus, new, b"last"), move)
    if moved == [False]:
        # it may have been seen between the look and the rename: then it is replaced
        check(os.path.exists(complete), f"{complete} is not there")
    check(tus.status(old) == 200, f"{old} is gone")
    for path in (complete, f"{mount}/complete/{name} old"):
        if os.path.exists(path):
            os.unlink(path)


def upload_in(tus, path, content):
    url = tus.create(len(content), {"relativePath": path})
    tus.patch(url, 0, content)
    return url


def mv_folder_against_finish(tus, mount, name):
    """A folder is moved while an upload in it finishes: the upload moves with it."""
    first = upload_in(tus, f"{name}/first", b"1")
    last = tus.create(4, {"relativePath": f"{name}/last"})
    watch = Watch(f"{mount}/complete/{name}")
    both(lambda: finish(tus, last, b"last"),
         lambda: os.rename(f"{mount}/complete/{name}", f"{mount}/complete/{name} moved"))
    folder = f"{mount}/complete/{name} moved"
    watch.expect([(name, "MOVED_TO", "last")])
    watch.close()
    check(sorted(os.listdir(folder)) == ["first", "last"], f"{folder} lacks something")
    check(os.stat(f"{folder}/last").st_size == 4, f"{folder}/last is not whole")
    check(tus.status(first) == 200 and tus.status(last) == 200, f"{name}: not there")
    os.unlink(f"{folder}/first")
    os.unlink(f"{folder}/last")
    os.rmdir(folder)


def folders_swapped_against_finish(tus, mount, name):
    """Another folder takes the name of the one that an upload finishes in. complete/ was
    asked for the upload before, and must not stay at its answer."""
    complete = f"{mount}/complete"
    ours, others = f"{complete}/{name}", f"{complete}/{name} others"
    os.makedirs(f"{others}/sub")
    url = tus.create(4, {"relativePath": f"{name}/sub/last"})
    os.makedirs(f"{ours}/sub")
    check(not os.path.exists(f"{ours}/sub/last"), "it is there already")
    watch = Watch(f"{ours}/sub")

    def swap():
        time.sleep(random.random() * 0.006)
        os.rename(ours, f"{ours} moved")
        os.rename(others, ours)

    both(lambda: finish(tus, url, b"last"), swap)
    watch.expect([("sub", "MOVED_TO", "last")])
    watch.close()
    path = f"{ours} moved/sub/last"
    check(os.path.exists(path), f"{path} is not there, and {url} answers {tus.status(url)}")
    check(os.listdir(f"{ours}/sub") == [], f"something is in {ours}/sub")
    for folder in (ours, f"{ours} moved"):
        shutil.rmtree(folder)


def rename_to_and_fro(one, other, stop):
    while not stop.is_set():
        os.rename(one, other)
        os.rename(other, one)


def events_in_a_folder_that_is_renamed(server, mount, rounds):
    """Every change is told of to who watches the folder, whatever it is called."""
    tus = Tus(server)
    upload_in(tus, "restless/first", b"1")
    urls = [tus.create(3, {"relativePath": f"restless/{i}"}) for i in range(rounds)]
    watch = Watch(f"{mount}/incoming/restless")
    stop = threading.Event()
    names = [f"{mount}/complete/restless", f"{mount}/complete/restful"]
    renamer = threading.Thread(target=rename_to_and_fro, args=(*names, stop), daemon=True)
    renamer.start()
    for i, url in enumerate(urls):
        if i % 2:
            tus.delete(url)
        else:
            tus.patch(url, 0, b"abc")
    stop.set()
    renamer.join(SECONDS)
    watch.expect([("restless", "DELETE" if i % 2 else "MOVED_FROM", f"{i}")
                  for i in range(rounds)])
    watch.close()
    for name in os.listdir(names[0]):
        os.unlink(f"{names[0]}/{name}")
    os.rmdir(names[0])


def check_times(mount, when, *folders):
    """incoming/ is asked for each time, complete/ is kept: both tell the same."""
    for folder in folders or ("outer", "outer/inner"):
        kept = os.stat(f"{mount}/complete/{folder}").st_ctime_ns
        asked = os.stat(f"{mount}/incoming/{folder}").st_ctime_ns
        check(kept == asked, f"/{folder}: another time after {when}")


def folders_have_true_times(tus, mount):
    upload_in(tus, "outer/inner/a", b"a")
    upload_in(tus, "outer/inner/b", b"b")
    other = tus.create(1, {"relativePath": "outer/inner/other"})
    listed = os.stat(f"{mount}/complete/outer").st_mtime_ns
    check_times(mount, "POST")
    last = tus.create(1, {"relativePath": "outer/inner/c"})
    check_times(mount, "the second POST")
    tus.delete(last)
    check_times(mount, "DELETE")
    tus.patch(other, 0, b"c")
    check(os.stat(f"{mount}/complete/outer").st_mtime_ns == listed,
          "outer/ is newer, and nothing in it has changed")
    for name in ("a", "b", "other"):
        os.unlink(f"{mount}/complete/outer/inner/{name}")
    os.rmdir(f"{mount}/complete/outer/inner")
    os.rmdir(f"{mount}/complete/outer")


def folders_above_have_true_times(tus, mount):
    """The last upload that arrives in a folder of incoming/ goes, and the folder with it;
    or what arrives moves, in a folder of complete/."""
    os.makedirs(f"{mount}/complete/outer/inner")
    for remove in (tus.delete,
                   lambda url: os.unlink(f"{mount}/incoming/outer/gone/x"),
                   lambda url: os.unlink(f"{mount}/by-id/{os.path.basename(url)}")):
        url = tus.create(1, {"relativePath": "outer/gone/x"})
        check_times(mount, "POST", "", "outer")
        remove(url)
        check_times(mount, "all that arrived went", "")
        other = tus.create(1, {"relativePath": "outer/other"})
        url = tus.create(1, {"relativePath": "outer/gone/x"})
        check_times(mount, "POST", "", "outer")
        remove(url)
        check_times(mount, "some of what arrived went", "", "outer")
        tus.delete(other)
    url = tus.create(1, {"relativePath": "outer/inner/x"})
    check_times(mount, "POST", "", "outer")
    os.rename(f"{mount}/complete/outer/inner", f"{mount}/complete/inner")
    check_times(mount, "mv", "", "inner")
    os.rename(f"{mount}/complete/inner", f"{mount}/complete/outer/inner")
    check_times(mount, "mv back", "", "outer", "outer/inner")
    tus.delete(url)
    shutil.rmtree(f"{mount}/complete/outer")


def run(server, mount, rounds):
    tus = Tus(server)
    folders_have_true_times(tus, mount)
    folders_above_have_true_times(tus, mount)
    os.listdir(f"{mount}/complete")
    for i in range(int(rounds)):
        rm_against_finish(tus, mount, f"rm {i}")
        rm_by_id_against_finish(tus, mount, f"by id {i}")
        mv_onto_finish(tus, mount, f"onto {i}")
        mv_folder_against_finish(tus, mount, f"folder {i}")
        folders_swapped_against_finish(tus, mount, f"swapped {i}")
    rm_beside_a_crowd(server, mount, int(rounds))
    events_in_a_folder_that_is_renamed(server, mount, int(rounds))


if __name__ == "__main__":
    main(run)
