"""Where clients wait while the daemon is dead or being checked."""

import threading
import time


class Gate:
    def __init__(self, clients):
        self.condition = threading.Condition()
        self.clients = clients  # how many will come
        self.waiting = 0
        self.opened = False
        self.ended = False

    def enter(self):
        """Waits while the gate is closed. False when it is time to go home."""
        with self.condition:
            self.waiting += 1
            self.condition.notify_all()
            while not self.opened and not self.ended:
                self.condition.wait()
            self.waiting -= 1
            return not self.ended

    def leave(self):
        """A client ends, and will not be waited for."""
        with self.condition:
            self.clients -= 1
            self.condition.notify_all()

    def open(self):
        with self.condition:
            self.opened = True
            self.condition.notify_all()

    def close(self):
        """Returns once all clients wait; False if they do not come."""
        deadline = time.monotonic() + 120
        with self.condition:
            self.opened = False
            while self.waiting < self.clients:
                if time.monotonic() > deadline:
                    return False
                self.condition.wait(1)
            return True

    def end(self):
        with self.condition:
            self.ended = True
            self.condition.notify_all()
