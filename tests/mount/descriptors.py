"""Makes uploads and keeps their files open until it is killed; prints how many.

    descriptors.py whole|final SERVER MOUNT COUNT"""

import base64
import errno
import os
import resource
import sys
import time

from support import Tus

LENGTH = 17000  # more than is kept in the catalog
PARTS = 16


def make_whole(tus, count):
    for number in range(count):
        tus.upload(f"whole {number}", bytes(LENGTH))


def make_final(tus, count):
    """All of the same part, so that no more than one has to be sent."""
    part = tus.create(LENGTH, {}, {"Upload-Concat": "partial"})
    tus.patch(part, 0, bytes(LENGTH))
    for number in range(count):
        answer = tus.ask("POST", tus.base, {
            "Upload-Concat": "final;" + " ".join([part] * PARTS),
            "Upload-Metadata": "filename " + base64.b64encode(f"final {number}".encode()).decode()})
        assert answer.status == 201, answer.text


def keep_open(folder, kind, count):
    files = []
    for number in range(count):
        try:
            files.append(os.open(f"{folder}/{kind} {number}", os.O_RDONLY))
        except OSError as error:
            if error.errno != errno.ENFILE:
                raise
        else:
            # asks the file system, though the kernel reads the file itself
            os.posix_fadvise(files[-1], 0, 0, os.POSIX_FADV_WILLNEED)
    return files


def main(kind, server, mount, count):
    count = int(count)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    make = {"whole": make_whole, "final": make_final}[kind]
    make(Tus(server), count)
    files = keep_open(f"{mount}/complete", kind, count)
    print(len(files), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
