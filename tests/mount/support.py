"""tus by HTTP and inotify by the C library, for the tests of the mount in Python."""

import base64
import ctypes
import http.client
import os
import select
import struct
import sys
import urllib.parse


class Tus:
    """One keep-alive connection to the server's base URL."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.base = parts.path
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=60)

    def ask(self, method, path, headers=None, body=None):
        fields = {"Tus-Resumable": "1.0.0", **(headers or {})}
        self.connection.request(method, path, body=body, headers=fields)
        answer = self.connection.getresponse()
        answer.text = answer.read()
        return answer

    def create(self, length, metadata, headers=None):
        pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}"
                         for key, value in metadata.items())
        fields = {"Upload-Length": str(length), "Upload-Metadata": pairs, **(headers or {})}
        answer = self.ask("POST", self.base, fields)
        check(answer.status == 201, f"POST: {answer.status} {answer.text}")
        return answer.getheader("Location")

    def patch(self, path, offset, body):
        answer = self.ask("PATCH", path, {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream"}, body)
        check(answer.status == 204, f"PATCH: {answer.status} {answer.text}")

    def delete(self, path):
        answer = self.ask("DELETE", path)
        check(answer.status == 204, f"DELETE: {answer.status} {answer.text}")

    def status(self, path):
        return self.ask("HEAD", path).status

    def upload(self, name, content):
        path = self.create(len(content), {"filename": name})
        self.patch(path, 0, content)
        return path


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


MASKS = {0x40: "MOVED_FROM", 0x80: "MOVED_TO", 0x100: "CREATE", 0x200: "DELETE"}
IS_FOLDER = 0x40000000


class Watch:
    """The names that inotify reports of folders, as (folder, event, name)."""

    def __init__(self, *folders):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self.folders = {}
        for folder in folders:
            self.add(folder)

    def add(self, folder):
        wd = self.libc.inotify_add_watch(self.fd, folder.encode(), sum(MASKS))
        check(wd >= 0, f"watch {folder}: errno {ctypes.get_errno()}")
        self.folders[wd] = os.path.basename(folder)

    def take(self, seconds):
        """What has come within a time, at once if there is something."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return []
        events, data = [], os.read(self.fd, 1 << 20)
        while data:
            wd, mask, _, length = struct.unpack("iIII", data[:16])
            name = data[16:16 + length].rstrip(b"\0").decode()
            data = data[16 + length:]
            check(not mask & 0x4000, "events were lost")
            events += [(self.folders[wd], MASKS[bit], name) for bit in MASKS if mask & bit]
        return events

    def expect(self, expected, seconds=20):
        """Waits for exactly these events, in this order."""
        got = []
        while len(got) < len(expected):
            more = self.take(seconds)
            check(more, f"expected {expected}, got only {got}")
            got += more
        check(got == expected, f"expected {expected}, got {got}")

    def close(self):
        os.close(self.fd)


def main(run):
    """Runs a test that takes (server URL with base path, mountpoint)."""
    try:
        run(*sys.argv[1:])
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
