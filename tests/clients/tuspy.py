"""tuspy against the daemon: chunks with checksums, resume, an empty file, a final look.

Arguments: SERVER MOUNTPOINT FOLDER.
"""

import os
import sys

import requests
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

SERVER, MOUNTPOINT, FOLDER = sys.argv[1:]
CLIENT = TusClient(SERVER + "/files/")


def random_file(name, size):
    path = os.path.join(FOLDER, name)
    with open(path, "wb") as file:
        file.write(os.urandom(size))
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def assert_same(url, path, name):
    expected = read(path)
    response = requests.get(url, timeout=60)
    assert response.status_code == 200, response.status_code
    assert response.content == expected, "GET differs"
    assert read(os.path.join(MOUNTPOINT, "complete", name)) == expected


def chunks_with_checksums():
    path = random_file("checked.bin", 1_000_003)
    uploader = CLIENT.uploader(
        path,
        chunk_size=100_000,
        metadata={"filename": "checked.bin"},
        upload_checksum=True,
    )
    uploader.upload()
    assert_same(uploader.url, path, "checked.bin")


def one_request_with_a_checksum():
    path = random_file("whole.bin", 3_000_000)
    uploader = CLIENT.uploader(
        path, metadata={"filename": "whole.bin"}, upload_checksum=True
    )
    uploader.upload()
    assert_same(uploader.url, path, "whole.bin")


def resume_from_a_stored_url():
    path = random_file("resumed.bin", 1_000_000)
    storage = FileStorage(os.path.join(FOLDER, "storage.json"))

    def uploader():
        return CLIENT.uploader(
            path,
            chunk_size=100_000,
            metadata={"filename": "resumed.bin"},
            store_url=True,
            url_storage=storage,
        )

    first = uploader()
    first.upload(stop_at=350_000)
    shown = os.stat(os.path.join(MOUNTPOINT, "incoming", "resumed.bin")).st_size
    assert shown == first.offset, (shown, first.offset)
    second = uploader()
    assert second.url == first.url
    assert second.offset == first.offset
    second.upload()
    assert_same(second.url, path, "resumed.bin")


def main():
    for test in (
        chunks_with_checksums,
        one_request_with_a_checksum,
        resume_from_a_stored_url,
    ):
        print("-", test.__name__.replace("_", " "), flush=True)
        test()


main()
