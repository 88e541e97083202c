"""One client's connection: requests whose answers may never come."""

import base64
import http.client
import socket


class Lost(Exception):
    """No answer came: the request may have happened or not."""


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    def number(self, name):
        return int(self.headers[name])


class Wire:
    """Connects where `port()` says at that moment."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def _open(self):
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port(),
                                                         timeout=60)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _head(self, method, path, headers):
        self._open()
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        self.connection.putheader("Tus-Resumable", "1.0.0")
        for name, value in headers.items():
            self.connection.putheader(name, value)
        self.connection.endheaders()

    def _answer(self):
        answer = Answer(self.connection.getresponse())
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def ask(self, method, path, headers=None, body=b""):
        headers = dict(headers or {})
        if body or method in ("PATCH", "POST"):
            headers["Content-Length"] = str(len(body))
        return self.stream(method, path, headers, [body] if body else [])

    def stream(self, method, path, headers, pieces):
        """Sends the pieces of a body as they come; a server that answers before it
        has them all, and closes, is listened to all the same."""
        try:
            self._head(method, path, headers)
            try:
                for piece in pieces:
                    self.connection.send(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return self._answer()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Lost(f"{method} {path}: {error!r}") from error

    def break_off(self, path, headers, pieces):
        """Sends what there is of a body, and vanishes."""
        try:
            self._head("PATCH", path, headers)
            for piece in pieces:
                self.connection.send(piece)
        except (OSError, http.client.HTTPException):
            pass
        self.close()


def metadata(**pairs):
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}"
                    for k, v in pairs.items())
