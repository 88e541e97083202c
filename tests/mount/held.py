"""Programs that hold folders of the mount in the kernel: no answer of a door waits for
them longer than a little."""

import mmap
import os
import signal
import subprocess
import threading
import time

from support import Failure, Tus, Watch, check, main

daemon = None  # its pid
SECONDS = 30  # far longer than any answer takes; what takes longer is stuck
MANY = 60     # if each waited the whole time that the first may wait, too long


def in_time(what, action):
    """Runs an action that must come to an end. When it does not, only the daemon's death
    ends it, and lets this process end."""
    failed = []

    def run():
        try:
            action()
        except Exception as error:  # pylint: disable=broad-except
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive():
        os.kill(daemon, signal.SIGKILL)
        raise Failure(f"{what} does not come to an end")
    check(not failed, f"{what}: {failed}")


class Hold:
    """A folder is held until let_go()."""

    def __init__(self, program, folder):
        self.child = subprocess.Popen([program, folder], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        check(self.child.stdout.readline() == "held\n", f"{folder} is not held")

    def let_go(self):
        self.child.stdin.close()
        check(self.child.wait(SECONDS) == 0, "what held the folder has failed")


def upload_many(server, name):
    tus = Tus(server)
    for i in range(MANY):
        tus.upload(f"{name} {i}", b"abc")


def moves(name):
    return [event for i in range(MANY)
            for event in (("incoming", "CREATE", f"{name} {i}"),
                          ("incoming", "MOVED_FROM", f"{name} {i}"),
                          ("complete", "MOVED_TO", f"{name} {i}"))]


def while_listed(server, mount, hold, name):
    """Uploads are answered while somebody lists complete/ and does not come to an end;
    the events come when he does."""
    watch = Watch(f"{mount}/incoming", f"{mount}/complete")
    holder = Hold(hold, f"{mount}/complete")
    in_time("many uploads", lambda: upload_many(server, name))
    holder.let_go()
    watch.expect(moves(name))
    watch.close()
    for i in range(MANY):
        os.unlink(f"{mount}/complete/{name} {i}")


def while_incoming_is_listed(server, mount, hold):
    """The same of incoming/; and what is gone by then is seen to come and go."""
    tus = Tus(server)
    watch = Watch(f"{mount}/incoming")
    holder = Hold(hold, f"{mount}/incoming")

    def come_and_go():
        tus.delete(tus.create(3, {"filename": "short"}))

    in_time("DELETE", come_and_go)
    holder.let_go()
    watch.expect([("incoming", "CREATE", "short"), ("incoming", "DELETE", "short")])
    watch.close()


def look_for_ever(path, content):
    """Exits by a signal when the pages of the mapping go."""
    with open(path, "rb") as file, \
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        while mapped[0] == content[0] and mapped[-1] == content[-1]:
            pass
    os._exit(1)


def a_late_create(server, mount, hold):
    """CREATE that comes when the upload is complete, and mapped, leaves it whole."""
    tus, content, path = Tus(server), b"q" * 9000, f"{mount}/complete/mapped"
    watch = Watch(f"{mount}/incoming")
    holder = Hold(hold, f"{mount}/incoming")

    def upload():
        tus.patch(tus.create(len(content), {"filename": "mapped"}), 0, content)

    in_time("an upload", upload)
    looker = os.fork()
    if looker == 0:
        holder.child.stdin.close()
        look_for_ever(path, content)
    time.sleep(0.5)  # it has the file open by then, and has seen its pages
    holder.let_go()
    watch.expect([("incoming", "CREATE", "mapped"), ("incoming", "MOVED_FROM", "mapped")])
    os.kill(looker, signal.SIGKILL)
    status = os.waitpid(looker, 0)[1]
    check(status == signal.SIGKILL, f"who has mapped it ended with {status}")
    watch.close()
    os.unlink(path)


def rename_for_ever(mount):
    """Takes complete/, then waits for by-id/; needs no permission for that."""
    while True:
        try:
            os.rename(f"{mount}/by-id/none", f"{mount}/complete/none")
        except OSError:
            pass


def rm_by_id(tus, mount, rounds):
    """rm in by-id/ has that folder, and waits for complete/."""
    for i in range(rounds):
        url = tus.upload(f"linked {i}", b"abc")
        check(os.path.exists(f"{mount}/complete/linked {i}"), "is not there")
        link = f"{mount}/by-id/{os.path.basename(url)}"
        in_time("rm", lambda: os.unlink(link))
        check(not os.path.exists(f"{mount}/complete/linked {i}"), "is there after rm")
        check(f"linked {i}" not in os.listdir(f"{mount}/complete"), "is listed after rm")
        check(tus.status(url) == 410, f"{url} is there after rm")


def rm_against_rename(server, mount, rounds):
    renamer = os.fork()
    if renamer == 0:
        rename_for_ever(mount)
    try:
        rm_by_id(Tus(server), mount, rounds)
    finally:
        os.kill(renamer, signal.SIGKILL)
    in_time("the renaming program", lambda: os.waitpid(renamer, 0))


def without_publisher(server, mount, hold):
    """Then the kernel is told by the daemon itself, which may be held up as well."""
    tus = Tus(server)
    names = [f"untold {i}" for i in range(3)]
    for name in names:
        check(not os.path.exists(f"{mount}/complete/{name}"), f"{name} is there")
    holder = Hold(hold, f"{mount}/complete")
    for name in names:
        in_time("an upload", lambda: tus.upload(name, b"abc"))
    holder.let_go()
    for name in names:
        check(os.path.exists(f"{mount}/complete/{name}"), f"{name} is not there")
        os.unlink(f"{mount}/complete/{name}")


def run(server, mount, pid, what, *rest):
    global daemon  # pylint: disable=global-statement
    daemon = int(pid)
    os.listdir(f"{mount}/complete")
    if what == "listed":
        while_listed(server, mount, *rest)
        while_incoming_is_listed(server, mount, rest[0])
        a_late_create(server, mount, rest[0])
    elif what == "renamed":
        rm_against_rename(server, mount, int(rest[0]))
    elif what == "untold":
        without_publisher(server, mount, *rest)


if __name__ == "__main__":
    main(run)
