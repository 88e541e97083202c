"""Reads files of a folder in every way that there is, from several threads: all must give
the same bytes.

    readers.py COPY FILE..."""

import errno
import mmap
import os
import random
import socket
import sys
import threading

PIECE = 65536


def by_pread(fd, size):
    order = list(range(0, size, PIECE))
    random.shuffle(order)
    pieces = {offset: os.pread(fd, PIECE, offset) for offset in order}
    return b"".join(pieces[offset] for offset in sorted(pieces))


def read_whole(fd, size):
    """pread(2) may give less than was asked for."""
    data = b""
    while len(data) < size:
        piece = os.pread(fd, size - len(data), len(data))
        if not piece:
            break
        data += piece
    return data


def by_readahead(fd, size):
    os.posix_fadvise(fd, 0, size, os.POSIX_FADV_WILLNEED)
    return read_whole(fd, size)


def by_cold_reads(fd, size):
    os.posix_fadvise(fd, 0, size, os.POSIX_FADV_DONTNEED)
    return read_whole(fd, size)


def by_mmap(fd, size):
    with mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ) as view:
        view.madvise(mmap.MADV_RANDOM)
        return view[:]


def by_vectors(fd, size):
    buffers = [bytearray(size // 3), bytearray(size)]
    got = os.preadv(fd, buffers, 0)
    return b"".join(buffers)[:got]


def by_sendfile(fd, size):
    one, other = socket.socketpair()
    pieces = []

    def receive():
        while True:
            piece = other.recv(PIECE)
            if not piece:
                return
            pieces.append(piece)

    receiver = threading.Thread(target=receive)
    receiver.start()
    sent = 0
    while sent < size:
        sent += os.sendfile(one.fileno(), fd, sent, size - sent)
    one.close()
    receiver.join()
    other.close()
    return b"".join(pieces)


def by_splice(fd, size):
    out, into = os.pipe()
    pieces, offset = [], 0
    while offset < size:
        moved = os.splice(fd, into, min(PIECE, size - offset), offset_src=offset)
        pieces.append(os.read(out, moved))
        offset += moved
    os.close(out)
    os.close(into)
    return b"".join(pieces)


def by_copy_file_range(fd, size):
    copy = os.memfd_create("copy")
    moved = 0
    try:
        while moved < size:
            moved += os.copy_file_range(fd, copy, size - moved, moved, moved)
        return read_whole(copy, size)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
            raise
        return read_whole(fd, size)
    finally:
        os.close(copy)


WAYS = [by_pread, by_readahead, by_cold_reads, by_mmap, by_vectors, by_sendfile, by_splice,
        by_copy_file_range]


def work(expected, path, failures):
    fd = os.open(path, os.O_RDONLY)
    for way in random.sample(WAYS, len(WAYS)):
        try:
            if way(fd, len(expected)) != expected:
                failures.append(f"{path} {way.__name__}: other content")
        except OSError as error:
            failures.append(f"{path} {way.__name__}: {error}")
    os.close(fd)


def main(copy, *paths):
    with open(copy, "rb") as file:
        expected = file.read()
    failures = []
    threads = [threading.Thread(target=work, args=(expected, path, failures))
               for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main(*sys.argv[1:])
