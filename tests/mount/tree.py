"""complete/ as a folder like any other: mv, mkdir, rmdir, attributes, mmap, deep trees,
files open across everything; and nothing that would change content."""

import errno
import mmap
import os
import shutil
import subprocess
import threading
import time

from support import Failure, Tus, Watch, check, main


def refused(number, call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        # who is not root meets the mode first
        expected = (number, errno.EACCES) if os.geteuid() else (number,)
        check(error.errno in expected, f"{arguments}: {error}, not {os.strerror(number)}")
    else:
        raise Failure(f"{arguments}: granted, not {os.strerror(number)}")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def moves(tus, mount):
    complete = f"{mount}/complete"
    url = tus.upload("a", b"aaa")
    os.makedirs(f"{complete}/d/e")
    before = os.stat(f"{complete}/a")
    os.rename(f"{complete}/a", f"{complete}/d/e/b")
    check(os.stat(f"{complete}/d/e/b").st_ino == before.st_ino, "mv changed the inode")
    check(os.readlink(f"{mount}/by-id/{os.path.basename(url)}") ==
          "../complete/d/e/b", "by-id does not follow")
    check(tus.ask("GET", url).text == b"aaa", "the URL does not follow")
    os.rename(f"{complete}/d", f"{complete}/f")
    check(read(f"{complete}/f/e/b") == b"aaa", "content after mv of a folder")
    check(os.stat(f"{complete}/f").st_nlink == 1, "links of a folder")
    refused(errno.ENOTEMPTY, os.rmdir, f"{complete}/f")
    refused(errno.EPERM, os.rename, f"{complete}/f/e/b", f"{mount}/incoming/b")
    refused(errno.EPERM, os.mkdir, f"{mount}/incoming/d")
    refused(errno.EPERM, os.rename, complete, f"{mount}/other")
    os.unlink(f"{complete}/f/e/b")
    os.rmdir(f"{complete}/f/e")
    os.rmdir(f"{complete}/f")
    check(os.listdir(complete) == [], "something is left")


def an_open_file_across_replacement(tus, mount):
    complete = f"{mount}/complete"
    old, new = tus.upload("old", b"old"), tus.upload("new", b"new")
    with open(f"{complete}/old", "rb") as file:
        os.rename(f"{complete}/new", f"{complete}/old")
        check(tus.status(old) == 410, "what was overwritten is not gone")
        check(file.read() == b"old", "the open file changed")
        check(os.fstat(file.fileno()).st_nlink == 0, "the open file has a name")
        check(read(f"/proc/self/fd/{file.fileno()}") == b"old", "it cannot be opened again")
    check(read(f"{complete}/old") == b"new", "the new one is not there")
    tus.delete(new)


def mapped(tus, mount):
    content = os.urandom(300000)
    url = tus.upload("m", content)
    with open(f"{mount}/complete/m", "rb") as file:
        for access in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
            with mmap.mmap(file.fileno(), 0, access, mmap.PROT_READ) as view:
                check(view[:] == content, "mapped content differs")
        with mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as view:
            tus.delete(url)
            check(view[:] == content, "a mapping does not outlive the name")


def content_is_fixed(tus, mount):
    url = tus.upload("r", b"rrr")
    path = f"{mount}/complete/r"
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND,
                  os.O_RDONLY | os.O_TRUNC):
        refused(errno.EROFS, os.open, path, flags)
    refused(errno.EROFS, os.truncate, path, 0)
    refused(errno.EROFS, os.open, f"{mount}/complete/new", os.O_CREAT | os.O_WRONLY)
    refused(errno.EROFS, os.mknod, f"{mount}/complete/new")
    refused(errno.EPERM, os.link, path, f"{mount}/complete/new")
    refused(errno.EPERM, os.symlink, path, f"{mount}/complete/new")
    refused(errno.EPERM, os.chmod, path, 0o777)
    refused(errno.EPERM, os.chown, path, 1, 1)
    refused(errno.EPERM, os.utime, path, (1, 1))
    check(read(path) == b"rrr", "content changed")
    tus.delete(url)


def attributes(tus, mount):
    url = tus.upload("x", b"xxx")
    path = f"{mount}/complete/x"
    refused(errno.ENODATA, os.getxattr, path, "user.mine")
    refused(errno.EOPNOTSUPP, os.getxattr, path, "security.selinux")
    if os.geteuid():  # files are read-only: only root may set attributes of others
        refused(errno.EACCES, os.setxattr, path, "user.mine", b"1")
        tus.delete(url)
        return
    os.setxattr(path, "user.mine", b"\0binary\xff")
    check(os.getxattr(path, "user.mine") == b"\0binary\xff", "an attribute of one's own")
    refused(errno.EPERM, os.setxattr, path, "user.tus.id", b"1")
    os.rename(path, path + "2")
    check(os.getxattr(path + "2", "user.mine") == b"\0binary\xff", "lost with mv")
    os.removexattr(path + "2", "user.mine")
    check("user.mine" not in os.listxattr(path + "2"), "still listed")
    os.setxattr(path + "2", "user.tus.expires", b"2001-01-01T00:00:00Z")
    deadline = time.monotonic() + 60
    while tus.status(url) != 410:
        check(time.monotonic() < deadline, "it does not expire")
        time.sleep(0.02)
    check(not os.path.exists(path + "2"), "expired, but there")


def growing(tus, mount):
    """Read while it grows: never more than is committed, and the open file goes on."""
    content = os.urandom(200000)
    url = tus.create(len(content), {"filename": "g"})
    with open(f"{mount}/incoming/g", "rb", buffering=0) as file:
        for offset in range(0, len(content), 50000):
            tus.patch(url, offset, content[offset:offset + 50000])
            check(os.fstat(file.fileno()).st_size == offset + 50000, "size of an open file")
            check(file.read(1 << 20) == content[offset:offset + 50000], "what is new")
            check(file.read(1) == b"", "more than is committed")
        check(read(f"{mount}/complete/g") == content, "opened again while open")
    tus.delete(url)


def opened_all_the_time(tus, mount):
    """open(2) never fails on a name that is there, however the kernel reads the file."""
    stop, failures = threading.Event(), []

    def reader():
        while not stop.is_set():
            for view in ("incoming", "complete"):
                try:
                    read(f"{mount}/{view}/o")
                except FileNotFoundError:
                    pass
                except OSError as error:
                    failures.append(f"{view}: {error}")

    threads = [threading.Thread(target=reader) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        url = tus.create(20000, {"filename": "o"})
        tus.patch(url, 0, b"x" * 10000)
        tus.patch(url, 10000, b"x" * 10000)
        tus.delete(url)
    stop.set()
    for thread in threads:
        thread.join()
    check(not failures, failures)


def deep(tus, mount):
    folders = "/".join(f"folder{level}" for level in range(200))
    url = tus.create(4, {"filename": "leaf", "relativePath": f"{folders}/leaf"})
    tus.patch(url, 0, b"deep")
    path = f"{mount}/complete/{folders}/leaf"
    check(read(path) == b"deep", "200 folders deep")
    found = subprocess.run(["find", f"{mount}/complete", "-type", "d"],
                           stdout=subprocess.PIPE, check=True).stdout.count(b"\n")
    check(found == 201, f"find sees {found} folders")
    shutil.rmtree(f"{mount}/complete/folder0")
    check(tus.status(url) == 410, "rm -r left the upload")


def a_removed_folder_comes_back(tus, mount):
    """With an upload that still arrived in it, and for all but who is in the old one."""
    folder = f"{mount}/complete/back"
    first = tus.create(1, {"filename": "x", "relativePath": "back/x"})
    second = tus.create(1, {"filename": "y", "relativePath": "back/y"})
    tus.patch(first, 0, b"1")
    inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.unlink(f"{folder}/x")
    os.rmdir(folder)
    check(not os.path.exists(folder), "it is still there")
    tus.patch(second, 0, b"2")
    check(os.listdir(folder) == ["y"] and read(f"{folder}/y") == b"2", "it is not back")
    os.mkdir(f"{folder}/new")
    os.rename(f"{folder}/y", f"{folder}/new/y")
    check(read(f"{folder}/new/y") == b"2", "it is dead")
    refused(errno.EIO, os.listdir, inside)
    os.close(inside)
    shutil.rmtree(folder)
    check(tus.status(second) == 410, "rm -r left the upload")


def a_listing_in_motion(tus, mount):
    """Names that stay are listed once, whatever comes and goes meanwhile."""
    stay = [tus.upload(f"stay {number}", b"1") for number in range(200)]
    with os.scandir(f"{mount}/complete") as entries:
        seen = [next(entries).name]
        for number in range(40):
            tus.delete(tus.upload(f"passing {number}", b"1"))
            if number % 4 == 0:
                os.rename(f"{mount}/complete/stay {number}", f"{mount}/complete/moved {number}")
        seen += [entry.name for entry in entries]
    stayed = [name for name in seen if name.startswith("stay")]
    check(len(set(stayed)) == len(stayed), "a name twice")
    check({f"stay {number}" for number in range(200) if number % 4 or number >= 40}
          <= set(stayed), "a name is missing")
    for url in stay:
        tus.delete(url)


def watched(tus, mount):
    """rm, mv and mkdir make the events that they make on any file system."""
    watch = Watch(f"{mount}/complete")
    tus.upload("w", b"1")
    os.rename(f"{mount}/complete/w", f"{mount}/complete/v")
    os.mkdir(f"{mount}/complete/d")
    os.unlink(f"{mount}/complete/v")
    os.rmdir(f"{mount}/complete/d")
    watch.expect([("complete", event, name) for event, name in (
        ("MOVED_TO", "w"), ("MOVED_FROM", "w"), ("MOVED_TO", "v"), ("CREATE", "d"),
        ("DELETE", "v"), ("DELETE", "d"))])
    watch.close()


def run(server, mount):
    for test in (moves, an_open_file_across_replacement, mapped, content_is_fixed, attributes,
                 growing, opened_all_the_time, deep,
                 a_removed_folder_comes_back, a_listing_in_motion, watched):
        print(f"  {test.__name__}", flush=True)
        test(Tus(server), mount)
    check(os.listdir(f"{mount}/complete") == [], "something is left in complete/")


if __name__ == "__main__":
    main(run)
