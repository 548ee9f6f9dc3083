"""A small Hugging Face Hub on loopback: the answers that a client needs to fetch a model, and the ways they go wrong.

Large files are redirected to another host name, as the hub redirects to its storage; small ones are answered directly.
"""

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE_BYTES = 1024


@dataclass
class Repository:
    """commits and their files by path; refs are branches and tags. `cut` and `damaged` name files by path.

    allowed  tokens that may read a gated or private repository; known are valid ones that may not
    limited  tokens of the owner's that lack the permission to read gated repositories
    """

    commits: dict[str, dict[str, bytes]]
    refs: dict[str, str]
    gated: bool = False
    private: bool = False
    allowed: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()
    cut: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    range: str | None
    token: str | None


class HubServer:
    """`with HubServer() as hub`: serves hub.repositories at hub.endpoint, keeps what was asked in hub.requests."""

    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.busy = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.storage = f"http://localhost:{self._server.server_port}/storage"

    def add(self, name: str, files: Mapping[str, bytes], commit: str = "a" * 40, **access) -> Repository:
        repository = Repository({commit: dict(files)}, {"main": commit}, **access)
        self.repositories[name] = repository
        return repository

    def asked(self, method: str, ending: str = "") -> list[Request]:
        return [request for request in self.requests if request.method == method and request.path.endswith(ending)]

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.hub: HubServer = self.server.hub
        self.hub.requests.append(Request(self.command, path, self.headers.get("Range"), self.token))
        if self.hub.busy:
            self._error(503, "", "over capacity")
        elif metadata := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._metadata(metadata[1], metadata[2] or "main")
        elif file := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(*file.groups())
        elif stored := re.fullmatch(r"/storage/([^/]+/[^/]+)/([0-9a-f]{40})/(.+)", path):
            self._content(*stored.groups(), headers={})
        else:
            self._error(404, "", "no such address")

    def _repository(self, name: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        valid = () if repository is None else repository.allowed + repository.known + repository.limited
        if repository is not None and self.token is not None and self.token not in valid:
            self._error(401, "", "Invalid credentials in Authorization header")
        elif repository is None or (repository.private and self.token not in repository.allowed):
            # The hub hides from the anonymous whether a private repository exists.
            self._error(401 if self.token is None else 404, "RepoNotFound", "Repository not found")
        else:
            return repository
        return None

    def _commit(self, repository: Repository, revision: str) -> str | None:
        commit = revision if revision in repository.commits else repository.refs.get(revision)
        if commit is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _metadata(self, name: str, revision: str) -> None:
        if (repository := self._repository(name)) and (commit := self._commit(repository, revision)):
            siblings = [{"rfilename": path} for path in sorted(repository.commits[commit])]
            description = {"_id": "0", "id": name, "sha": commit, "private": repository.private, "siblings": siblings}
            self._send(200, json.dumps(description).encode(), {"Content-Type": "application/json"})

    def _resolve(self, name: str, revision: str, file: str) -> None:
        if not (repository := self._repository(name)) or not (commit := self._commit(repository, revision)):
            return
        if self.token in repository.limited:
            self._error(403, "", "Please enable access to public gated repositories in your token settings")
        elif repository.gated and self.token not in repository.allowed:
            self._error(401 if self.token is None else 403, "GatedRepo", "Access to the model is restricted")
        elif (content := repository.commits[commit].get(file)) is None:
            self._error(404, "EntryNotFound", "Entry not found")
        elif len(content) < LARGE_BYTES:
            git_hash = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self._content(name, commit, file, {"X-Repo-Commit": commit, "ETag": f'"{git_hash}"'})
        else:
            linked = {
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(len(content)),
                "X-Linked-ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "ETag": '"of the pointer"',
                "Location": f"{self.hub.storage}/{name}/{commit}/{file}",
            }
            self._send(302, b"", linked)

    def _content(self, name: str, commit: str, file: str, headers: dict[str, str]) -> None:
        repository = self.hub.repositories[name]
        content = repository.commits[commit][file]
        if file in repository.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start, status = 0, 200
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start, status = int(asked[1]), 206
            headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        cut = repository.cut.get(file)
        if cut is None or self.command == "HEAD":
            self._send(status, content[start:], headers | {"Accept-Ranges": "bytes"})
            return
        self._head(status, headers, len(content) - start)
        self.wfile.write(content[start:cut])
        self.wfile.flush()
        time.sleep(0.2)  # a reset discards what the client has not read yet
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _error(self, status: int, code: str, message: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": message})

    def _head(self, status: int, headers: Mapping[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._head(status, headers, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)
