"""A hub of one repository on the local machine, enough of one for huggingface_hub to download from.

Serves what is below a folder: FOLDER/REVISION/file. The branch `main` is the revision a test names in
`main`. The first request for a file of more than 1 MiB is broken off in its middle, as networks do.
"""

import contextlib
import hashlib
import http.server
import json
import re
import threading

ANY_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
ANY_REPOSITORY = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/(revision|tree)/([^/?]+))?(?:\?.*)?$")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Request)
        self.folder = folder
        self.main = None
        self.broken_off = set()
        self.asked = []  # (method, path, range)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        self.server.asked.append((self.command, self.path, self.headers.get("Range")))
        if match := ANY_FILE.match(self.path):
            revision = self.revision(match[2])
            file = self.server.folder / revision / match[3]
            if file.is_file():
                return self.send_file(file, revision, with_body)
        elif match := ANY_REPOSITORY.match(self.path):
            revision = self.revision(match[3] or "main")
            if (self.server.folder / revision).is_dir():
                return self.send_listing(match[1], match[2], revision, with_body)
        self.send({"X-Error-Code": "EntryNotFound"}, b"", with_body, status=404)

    def revision(self, name):
        return self.server.main if name == "main" else name

    def send_listing(self, repository, what, revision, with_body):
        top = self.server.folder / revision
        files = sorted(p for p in top.rglob("*") if p.is_file())
        names = [str(p.relative_to(top)) for p in files]
        if what == "tree":
            told = [
                {"type": "file", "path": n, "size": p.stat().st_size, "oid": digest(p)}
                for n, p in zip(names, files)
            ]
        else:
            told = {
                "id": repository,
                "sha": revision,
                "siblings": [{"rfilename": n} for n in names],
            }
        kind = {"Content-Type": "application/json"}
        self.send(kind, json.dumps(told).encode(), with_body)

    def send_file(self, file, revision, with_body):
        data = file.read_bytes()
        headers = {
            "ETag": f'"{digest(file)}"',
            "X-Repo-Commit": revision,
            "Accept-Ranges": "bytes",
        }
        status = 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start, total = int(match[1]), len(data)
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
            data, status = data[start:], 206
        break_off = with_body and len(data) > 1 << 20 and file not in self.server.broken_off
        if break_off:
            self.server.broken_off.add(file)
        self.send(headers, data, with_body, status, len(data) // 2 if break_off else len(data))

    def send(self, headers, data, with_body, status=200, sent=None):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data[:sent])
        self.close_connection = sent is not None and sent < len(data)


@contextlib.contextmanager
def serve(folder):
    hub = Hub(folder)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
