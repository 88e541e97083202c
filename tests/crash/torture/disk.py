"""Disks whose power can be cut: see docs/RELIABILITY.md for why this is exact.

    tmpfs: ground --loop--> XFS with reflink, the lab: disk, and its reflink copy cut

With `keeps`, the disk's cache keeps what was written: disk holds the file system that
is tested. With `loses`, it loses what was not flushed: disk holds an XFS that holds the
one file `image`, whose dirty pages are the disk's cache, and that holds the file system
that is tested."""

import fcntl
import os
import subprocess
import tempfile

FICLONE = 0x40049409
GROUND = 6 << 30
DISK = 1536 << 20
IMAGE = 1200 << 20

MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"],
        "btrfs": ["mkfs.btrfs", "-q", "-f"]}


def _run(*command):
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout.strip()


def _make_sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)


class Stack:
    """Mounts on top of each other, which go in the opposite order."""

    def __init__(self):
        self.undo = []

    def loop(self, path):
        device = _run("losetup", "--find", "--show", path)
        self.undo.append(("losetup", "--detach", device))
        return device

    def mount(self, device, folder, *options):
        os.makedirs(folder, exist_ok=True)
        _run("mount", *options, device, folder)
        self.undo.append(("umount", folder))

    def mount_file(self, path, folder, *options):
        self.mount(self.loop(path), folder, *options)

    def close(self):
        while self.undo:
            command = self.undo.pop()
            try:
                _run(*command)
            except OSError:
                if command[0] != "umount":
                    raise
                _run("umount", "-l", command[1])


class Lab:
    """A disk with a file system, in use at `live`; cut() makes one that lost power."""

    def __init__(self, file_system, cache):
        self.file_system, self.loses = file_system, cache == "loses"
        self.folder = tempfile.mkdtemp(prefix="torture-lab-")
        self.ground = tempfile.mktemp(prefix="torture-ground-", dir="/dev/shm")
        self.live, self.cut_at = f"{self.folder}/live", f"{self.folder}/cut"
        self.base, self.stack, self.cut_stack = Stack(), Stack(), Stack()
        try:
            self.make()
        except BaseException:
            self.close()
            raise

    def make(self):
        _make_sparse(self.ground, GROUND)
        device = self.base.loop(self.ground)
        _run("mkfs.xfs", "-q", "-m", "reflink=1", device)
        self.base.mount(device, f"{self.folder}/lab")
        self.disk = f"{self.folder}/lab/disk"
        _make_sparse(self.disk, DISK)
        image = self.disk
        if self.loses:
            _run("mkfs.xfs", "-q", "-f", self.disk)
            self.stack.mount_file(self.disk, f"{self.folder}/cache")
            image = f"{self.folder}/cache/image"
            with open(image, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, IMAGE)
                os.fsync(file.fileno())
        _run(*MAKE[self.file_system], image)
        self.stack.mount_file(image, self.live)

    def cut(self):
        """Copies the disk as it is at one moment. FICLONE shuts writers out."""
        with open(self.disk, "rb") as disk, open(f"{self.disk}-cut", "wb") as copy:
            fcntl.ioctl(copy.fileno(), FICLONE, disk.fileno())

    def mount_cut(self):
        """The file systems repair themselves as after any power cut. They have the
        UUIDs of the originals, which are mounted as well: btrfs copes by itself, from
        Linux 6.7 on."""
        same = ["-o", "nouuid"]
        image = f"{self.disk}-cut"
        if self.loses:
            self.cut_stack.mount_file(image, f"{self.folder}/cache-cut", *same)
            image = f"{self.folder}/cache-cut/image"
        options = same if self.file_system == "xfs" else []
        self.cut_stack.mount_file(image, self.cut_at, *options)

    def unmount_cut(self):
        self.cut_stack.close()
        os.unlink(f"{self.disk}-cut")

    def close(self):
        for stack in (self.cut_stack, self.stack, self.base):
            stack.close()
        if os.path.exists(self.ground):
            os.unlink(self.ground)
        for name in ("live", "cut", "cache", "cache-cut", "lab"):
            if os.path.isdir(f"{self.folder}/{name}"):
                os.rmdir(f"{self.folder}/{name}")
        os.rmdir(self.folder)
