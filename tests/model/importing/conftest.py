"""Local stand-ins for the servers of weights: a hub and a folder."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from reszoo.model.importing import fetch

COMMIT = "a" * 40


class Hub:
    """Files by `timm/TAG/NAME`, served as the hub does, with a log of requests."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.sent: dict[str, bytes] = {}
        """Bytes sent instead of a file, whose checksum is unchanged."""

    def put(self, tag: str, name: str, content: bytes) -> None:
        self.files[f"timm/{tag}/{name}"] = content

    def blob(self, tag: str) -> Path:
        """The cached file of the tag's weights."""
        (link,) = self.cache.glob(f"models--timm--{tag}/snapshots/*/model.safetensors")
        return link.resolve()

    def stored(self) -> list[str]:
        """Every whole file in the cache."""
        return sorted(path.name for path in self.cache.glob("models--*/snapshots/*/*"))


def _handler(hub: Hub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            owner, _, rest = self.path.lstrip("/").partition("/")
            tag, _, name = rest.partition("/resolve/main/")
            key = f"{owner}/{tag}/{name}"
            hub.asked.append(key)
            if key not in hub.files:
                known = any(other.startswith(f"{owner}/{tag}/") for other in hub.files)
                self._refuse("EntryNotFound" if known else "RepoNotFound")
                return
            content = hub.files[key]
            large = name.endswith(".safetensors")
            digest = hashlib.sha256 if large else hashlib.sha1
            self.send_response(200)
            self.send_header("ETag", f'"{digest(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(hub.sent.get(key, content))

        def _refuse(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _point_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{port}"
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    """A hub on this machine, and an empty cache."""
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.cache))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _point_at(server.server_port, monkeypatch)
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def offline(monkeypatch):
    """Returns a function that points the hub and Keras to a closed port."""

    def begin() -> None:
        _point_at(9, monkeypatch)
        nowhere = "http://127.0.0.1:9/"
        monkeypatch.setattr(fetch, "_KERAS_FOLDER", nowhere)
        name, _, md5 = fetch._CLASS_INDEX
        monkeypatch.setattr(fetch, "_CLASS_INDEX", (name, nowhere + name, md5))

    return begin


@pytest.fixture
def keras_home(tmp_path, monkeypatch) -> Path:
    """An empty cache of Keras."""
    home = tmp_path / "keras"
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home / "models"


@pytest.fixture
def keras_server(tmp_path, monkeypatch) -> Path:
    """A folder that Keras downloads from; `publish` fills it."""
    folder = tmp_path / "published"
    folder.mkdir()
    monkeypatch.setattr(fetch, "_KERAS_FOLDER", folder.as_uri() + "/")
    name, _, md5 = fetch._CLASS_INDEX
    monkeypatch.setattr(fetch, "_CLASS_INDEX", (name, (folder / name).as_uri(), md5))
    return folder
