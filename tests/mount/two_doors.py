"""What one door answered, the other shows with the next call: sizes, names, content,
attributes and absence, from several threads at once, with the kernel's caches warm."""

import os
import random
import sys
import threading

from support import Failure, Tus, check, main


def absent(path):
    try:
        os.stat(path)
    except FileNotFoundError:
        return
    raise Failure(f"{path} is there")


def size(path, expected):
    found = os.stat(path).st_size
    check(found == expected, f"{path}: size {found} instead of {expected}")


def content(path, expected):
    with open(path, "rb") as file:
        check(file.read() == expected, f"{path}: other content")


def listed(folder, name, expected):
    check((name in os.listdir(folder)) == expected,
          f"{folder}/{name}: listed is {not expected}")


def removed_by_http(tus, url, incoming, complete):
    tus.delete(url)
    absent(complete)
    absent(incoming)


def removed_by_rm(tus, url, incoming, complete):
    os.unlink(complete)
    check(tus.status(url) == 410, f"{url} is not gone")
    absent(complete)


def removed_by_id(tus, url, incoming, complete):
    mount = os.path.dirname(os.path.dirname(complete))
    os.stat(complete)
    os.unlink(f"{mount}/by-id/{os.path.basename(url)}")
    absent(complete)
    check(tus.status(url) == 410, f"{url} is not gone")


def removed_while_open(tus, url, incoming, complete):
    with open(complete, "rb") as file:
        before = file.read(7)
        tus.delete(url)
        absent(complete)
        check(len(before + file.read()) == os.fstat(file.fileno()).st_size,
              f"{complete}: cut short")
        check(os.fstat(file.fileno()).st_nlink == 0, f"{complete}: has a name")


def moved(tus, url, incoming, complete):
    os.rename(complete, complete + " moved")
    absent(complete)
    check(tus.status(url) == 200, f"{url} is gone after mv")
    tus.delete(url)
    absent(complete + " moved")


def replaced(tus, url, incoming, complete):
    other = tus.upload(os.path.basename(complete) + " other", b"other")
    os.rename(complete + " other", complete)
    check(tus.status(url) == 410, f"{url} is there after mv over it")
    content(complete, b"other")
    tus.delete(other)
    absent(complete)


ENDS = [removed_by_http, removed_by_rm, removed_by_id, removed_while_open, moved, replaced]


def one_round(tus, mount, name, end):
    data = os.urandom(random.randrange(20, 40000))
    half = random.randrange(1, len(data))
    incoming, complete = f"{mount}/incoming/{name}", f"{mount}/complete/{name}"
    absent(complete)
    absent(incoming)
    url = tus.create(len(data), {"filename": name})
    size(incoming, 0)
    tus.patch(url, 0, data[:half])
    size(incoming, half)
    content(incoming, data[:half])
    absent(complete)
    with open(incoming, "rb") as early:
        tus.patch(url, half, data[half:])
        size(complete, len(data))
        absent(incoming)
        check(early.read() == data, f"{name}: open across completion")
    content(complete, data)
    check(os.getxattr(complete, "user.tus.state") == b"complete", f"{name}: state")
    if random.random() < 0.3:
        listed(f"{mount}/complete", name, True)
        listed(f"{mount}/incoming", name, False)
    end(tus, url, incoming, complete)
    if random.random() < 0.3:
        listed(f"{mount}/complete", name, False)


def work(server, mount, thread, rounds, failures):
    tus = Tus(server)
    for turn in range(rounds):
        if failures:
            return
        try:
            one_round(tus, mount, f"thread {thread}", random.choice(ENDS))
        except (Failure, OSError) as failure:
            failures.append(f"thread {thread}, round {turn}: {failure}")


def run(server, mount, rounds, threads="8"):
    failures = []
    each = -(-int(rounds) // int(threads))
    workers = [threading.Thread(target=work, args=(server, mount, number, each, failures))
               for number in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    check(not failures, "\n".join(failures))
    print(f"{each * len(workers)} rounds")


if __name__ == "__main__":
    main(run)
