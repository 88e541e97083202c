"""What a client can do to an upload. Each function widens the record's bounds, asks,
and narrows them by the answer; it raises Lost when none came, and Failure when the
answer breaks a promise."""

import base64
import errno
import hashlib
import os
import zlib

from .daemon import Failure
from .record import GONE, HERE
from .wire import Lost, metadata

BASE = "/files/"
TYPE = {"Content-Type": "application/offset+octet-stream"}
PIECE = 64 << 10
# What the mount says when the daemon dies under a call.
DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNREFUSED, errno.EIO,
        errno.ENODEV, errno.ESHUTDOWN)


def url(record):
    return BASE + record.ident


def expect(record, what, answer, *statuses):
    if answer.status not in statuses:
        raise Failure(f"{what} of {record.kind} {record.key} ({record.ident}), "
                      f"{record.bounds}: {answer.status} {answer.body!r}")


def in_pieces(body):
    for at in range(0, len(body), PIECE):
        yield body[at:at + PIECE]


def checksum(body, algorithm, right=True):
    if not right:
        body = body + b"?"
    if algorithm == "crc32":
        digest = zlib.crc32(body).to_bytes(4, "big")
    else:
        digest = hashlib.new(algorithm, body).digest()
    return f"{algorithm} {base64.b64encode(digest).decode()}"


# ---- create ----

def _creation_headers(record, deferred, promise):
    pairs = {"filename": record.name, "torture": str(record.key)}
    if record.folder:
        pairs["relativePath"] = f"{record.folder}/{record.name}"
    if promise:
        pairs["checksum"] = checksum(record.bytes(0, record.length), "sha256")
    headers = {"Upload-Metadata": metadata(**pairs)}
    if record.kind == "partial":
        headers["Upload-Concat"] = "partial"
    if deferred:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(record.length)
    return headers


def create(wire, record, body=b"", deferred=False, promise=False):
    """POST, with the first bytes when there are any."""
    lengths = (None,) if deferred else (record.length,)
    headers = _creation_headers(record, deferred, promise)
    if body:
        headers.update(TYPE)
    record.change(life=frozenset(["absent", "here"]), lengths=lengths, low=0,
                  high=len(body))
    answer = wire.ask("POST", BASE, headers, body)
    expect(record, "POST", answer, 201)
    record.ident = answer.headers["location"].rsplit("/", 1)[1]
    offset = answer.number("upload-offset") if body else 0
    if offset != len(body):
        raise Failure(f"POST of {record.key} took {offset} of {len(body)} bytes")
    record.change(life=HERE, low=offset, high=offset)


def concatenate(wire, record):
    """POST of a final upload; its parts may still be arriving."""
    ready = all(part.is_complete() for part in record.parts)
    urls = " ".join(url(part) for part in record.parts)
    headers = {"Upload-Concat": f"final;{urls}",
               "Upload-Metadata": metadata(filename=record.name,
                                           torture=str(record.key))}
    record.change(life=frozenset(["absent", "here"]), lengths=(None, record.length),
                  low=record.length if ready else 0, high=record.length, either=True)
    answer = wire.ask("POST", BASE, headers)
    expect(record, "POST", answer, 201)
    record.ident = answer.headers["location"].rsplit("/", 1)[1]
    record.change(life=HERE)
    complete_final(record)


def complete_final(record):
    """A final is complete once all its parts are, and it is known to be there."""
    if record.bounds.life == HERE and not record.is_complete() and \
            all(part.is_complete() for part in record.parts):
        record.change(low=record.length, high=record.length, lengths=(record.length,),
                      either=False)


# ---- look ----

def settle(wire, record):
    """HEAD: whatever was uncertain is known then. False if the upload is gone."""
    answer = wire.ask("HEAD", url(record))
    if answer.status in (404, 410):
        note_gone(record)
        return False
    expect(record, "HEAD", answer, 200)
    length = answer.headers.get("upload-length")
    note_here(record, answer.headers.get("upload-offset"),
              int(length) if length else None)
    return True


def note_gone(record, within=None):
    for bounds in within or [record.bounds]:
        if "gone" in bounds.life:
            record.change(life=GONE)
            return
    raise Failure(f"{record.kind} {record.key} ({record.ident}) is gone, not "
                  f"{record.bounds}")


def note_here(record, offset, length):
    bounds = record.bounds
    if record.kind == "final" and offset is None:
        offset = 0
    offset = int(offset)
    if "here" not in bounds.life or length not in bounds.lengths or \
            (record.kind != "final" and not bounds.allow(offset)):
        raise Failure(f"{record.kind} {record.key} ({record.ident}) is at {offset} of "
                      f"{length}, not {bounds}")
    if record.kind == "final":
        record.change(life=HERE)
    else:
        record.at(offset, life=HERE, lengths=(length,))


def download(wire, record):
    """GET of a complete upload."""
    answer = wire.ask("GET", url(record))
    expect(record, "GET", answer, 200)
    if answer.body != record.bytes(0, record.length):
        raise Failure(f"GET of {record.key} ({record.ident}) gives other bytes")


# ---- append ----

def _append_headers(record, offset, declare):
    headers = {**TYPE, "Upload-Offset": str(offset)}
    if declare:
        headers["Upload-Length"] = str(record.length)
        record.change(lengths=(None, record.length))
    return headers


def _patch(wire, record, headers, pieces, end):
    """To the offset `end`, or to be refused when it is None. False when a ghost has
    moved the offset meanwhile."""
    answer = wire.stream("PATCH", url(record), headers, pieces)
    if answer.status == 409 and record.ghost:
        offset = answer.number("upload-offset")
        if not record.ghost[0] <= offset <= record.ghost[1]:
            raise Failure(f"{record.key} is at {offset}, not in {record.ghost}")
        record.at(offset)
        return False
    expect(record, "PATCH", answer, 460 if end is None else 204)
    if end is not None and answer.number("upload-offset") != end:
        raise Failure(f"PATCH of {record.key} to {end} answers {answer.headers}")
    return True


def _widen(record, end, either):
    """The bounds of a PATCH that is under way."""
    high = max(end, record.ghost[1]) if record.ghost else end
    record.change(high=high, either=either and not record.ghost)


def append(wire, record, size, declare=False, algorithm=None):
    """PATCH; with the algorithm of a checksum, all of it counts or nothing."""
    offset = record.bounds.low
    headers = _append_headers(record, offset, declare)
    body = record.bytes(offset, size)
    if algorithm:
        headers["Upload-Checksum"] = checksum(body, algorithm)
    headers["Content-Length"] = str(size)
    _widen(record, offset + size, bool(algorithm))
    if _patch(wire, record, headers, in_pieces(body), offset + size):
        record.at(offset + size, lengths=(record.length,) if declare
                  else record.bounds.lengths)


def _chunked(body, trailer):
    for piece in in_pieces(body):
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\nUpload-Checksum: " + trailer.encode() + b"\r\n\r\n"


def append_with_trailer(wire, record, size, right):
    offset = record.bounds.low
    body = record.bytes(offset, size)
    headers = {**_append_headers(record, offset, False), "Trailer": "Upload-Checksum",
               "Transfer-Encoding": "chunked"}
    if right:
        _widen(record, offset + size, True)
    pieces = _chunked(body, checksum(body, "sha1", right))
    if _patch(wire, record, headers, pieces, offset + size if right else None) and right:
        record.at(offset + size)


def append_wrongly(wire, record, size, algorithm):
    """A PATCH whose checksum does not match: nothing of it may ever be seen."""
    offset = record.bounds.low
    body = record.bytes(offset + 1, size)
    headers = {**_append_headers(record, offset, False), "Content-Length": str(size),
               "Upload-Checksum": checksum(body, algorithm, right=False)}
    _patch(wire, record, headers, in_pieces(body), None)


def append_in_vain(wire, record, size, sent, algorithm):
    """A PATCH that breaks off: what came is kept, unless a checksum was promised."""
    offset = record.bounds.low
    body = record.bytes(offset, size)
    headers = {**_append_headers(record, offset, False), "Content-Length": str(size)}
    if algorithm:
        headers["Upload-Checksum"] = checksum(body, algorithm)
    else:
        record.ghost = (offset, max(offset + sent, record.bounds.high))
        record.at(offset)
    wire.break_off(url(record), headers, in_pieces(body[:sent]))


# ---- end, and move ----

def terminate(wire, record):
    record.change(life=record.bounds.life | GONE)
    answer = wire.ask("DELETE", url(record))
    expect(record, "DELETE", answer, 204)
    record.change(life=GONE)


def _through_mount(record, call, *paths):
    """A system call on the mount; Lost when the daemon died under it."""
    try:
        call(*paths)
    except OSError as error:
        if error.errno in DEAD:
            raise Lost(str(error)) from error
        raise Failure(f"{call.__name__} of {record.kind} {record.key} "
                      f"({record.ident}), {record.bounds}: {error}") from error


def path_of(record, mount):
    """Where the record is in the mount; its bounds must be certain."""
    if record.kind == "partial":
        return f"{mount}/partial/{record.ident}"
    path, = record.bounds.paths
    where = "complete" if record.is_complete() else "incoming"
    return f"{mount}/{where}/{path}"


def remove(record, mount):
    path = path_of(record, mount)
    record.change(life=record.bounds.life | GONE)
    _through_mount(record, os.unlink, path)
    record.change(life=GONE)


def move(record, mount, new):
    path = path_of(record, mount)
    old = record.bounds.paths
    record.change(paths=old | {new})
    try:
        _through_mount(record, os.makedirs, os.path.dirname(f"{mount}/complete/{new}"))
    except Failure as failure:
        if not isinstance(failure.__cause__, FileExistsError):
            raise
    _through_mount(record, os.rename, path, f"{mount}/complete/{new}")
    record.change(paths=frozenset([new]))


def read(record, mount):
    """A complete file, read through the mount."""
    try:
        with open(path_of(record, mount), "rb") as file:
            found = file.read()
    except OSError as error:
        if error.errno in DEAD:
            raise Lost(str(error)) from error
        raise Failure(f"read of {record.key} ({record.ident}): {error}") from error
    if found != record.bytes(0, record.length):
        raise Failure(f"the mount has other bytes for {record.key} ({record.ident})")
