"""The web page classifies a picture in a browser without a network, in LiteRT.js and MediaPipe."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from reszoo.inference.trained import TrainedModel
from reszoo.tflite.interpreter import TFLiteInterpreter

from .clients import CLIENTS
from .conftest import CLASSES, keras_probabilities

WEB = CLIENTS / "web"
MODULES = WEB / "node_modules"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = [
    pytest.mark.edge,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium"),
    pytest.mark.skipif(not MODULES.is_dir(), reason=f"run: npm ci --prefix {WEB}"),
]
SECONDS = 180
KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}

# Uses the page in a frame as a person does: chooses a file, then the other runtime.
DRIVER = """<!DOCTYPE html><iframe src="/index.html?bundle=/bundle" width=700 height=700></iframe>
<script type=module>
const frame = document.querySelector('iframe');
const pause = () => new Promise((done) => setTimeout(done, 20));
async function settled() {
  for (;;) {
    await pause();
    const state = frame.contentDocument?.body?.dataset.state;
    if (state === 'ready' || state === 'error') return;
  }
}
function seen() {
  const page = frame.contentDocument;
  const text = (id) => page.getElementById(id).textContent;
  const canvas = page.querySelector('canvas');
  return {
    title: text('title'), golden: text('golden'), time: text('time'), error: text('error'),
    answers: [...page.querySelectorAll('li')].map((item) => [Number(item.dataset.index),
      item.querySelector('span').textContent, Number(item.dataset.probability)]),
    size: [canvas.height, canvas.width],
    pixels: [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data],
  };
}
const results = {};
try {
  await settled();
  results.start = seen();
  const picture = await (await fetch('/picture')).blob();
  const files = new DataTransfer();
  files.items.add(new File([picture], 'picture', {type: picture.type}));
  const input = frame.contentDocument.querySelector('input[type=file]');
  input.files = files.files;
  input.dispatchEvent(new Event('change'));
  await settled();
  results.litert = seen();
  frame.contentDocument.querySelector('input[value=mediapipe]').click();
  await settled();
  results.mediapipe = seen();
} catch (error) {
  results.failed = String(error);
}
await fetch('/results', {method: 'POST', body: JSON.stringify(results)});
</script>
"""

# Gives a picture's pixels, float32, to onnxruntime-web.
ONNX_DRIVER = """<!DOCTYPE html>
<script src="/node_modules/onnxruntime-web/dist/ort.wasm.min.js"></script>
<script type=module>
const results = {};
try {
  ort.env.wasm.wasmPaths = '/node_modules/onnxruntime-web/dist/';
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create('/bundle/model.onnx');
  const pixels = new Float32Array(await (await fetch('/picture')).arrayBuffer());
  const shape = [pixels.length / (32 * 32 * 3), 32, 32, 3];
  const outputs = await session.run({image: new ort.Tensor('float32', pixels, shape)});
  results.probabilities = [...outputs.probabilities.data];
} catch (error) {
  results.failed = String(error);
}
await fetch('/results', {method: 'POST', body: JSON.stringify(results)});
</script>
"""


class Site(ThreadingHTTPServer):
    """The page, a bundle and a picture."""

    daemon_threads = True

    def __init__(self, bundle: Path, picture: Path, driver: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bundle, self.picture, self.driver = bundle, picture, driver
        self.results: queue.Queue[dict[str, Any]] = queue.Queue()

    def file_of(self, path: str) -> Path:
        if path == "/picture":
            return self.picture
        folder = self.bundle if path.startswith("/bundle/") else WEB
        return folder / path.removeprefix("/bundle/").lstrip("/")


class Handler(BaseHTTPRequestHandler):
    server: Site

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(b"", "text/plain")
        self.server.results.put(json.loads(body))

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/drive":
            self._send(self.server.driver.encode(), "text/html")
        elif not (file := self.server.file_of(path)).is_file():
            self.send_error(404)
        else:
            self._send(file.read_bytes(), KINDS.get(file.suffix, "application/octet-stream"))

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(bundle: Path, picture: Path, driver: str = DRIVER) -> Iterator[Site]:
    with Site(bundle, picture, driver) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


def use_page(
    bundle: Path, picture: Path, folder: Path, driver: str = DRIVER
) -> tuple[dict[str, Any], set[str]]:
    """What the page shows at each step, and the hosts that it asked."""
    log = folder / "requests.json"
    with serving(bundle, picture, driver) as site:
        address = f"127.0.0.1:{site.server_port}"
        command = [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the network is off
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            f"http://{address}/drive",
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as browser:
            try:
                results = site.results.get(timeout=SECONDS)
            except queue.Empty:
                browser.kill()
                pytest.fail(f"no answer from the page: {browser.stderr.read()[-2000:]!r}")
            finally:
                browser.terminate()
        assert "failed" not in results, results["failed"]
        return results, hosts_asked(log, f"http://{address}")


def hosts_asked(log: Path, origin: str) -> set[str]:
    """The hosts of a browser's log that pages of an origin asked, not the browser itself."""
    asked = set()
    for line in log.read_text(errors="replace").splitlines():
        if f'"initiator":"{origin}"' in line and (url := re.search(r'"url":"([^"]*)"', line)):
            asked.add(urlsplit(url[1]).netloc)
    return {host for host in asked if host}  # blob: and data: have none


@pytest.fixture(params=["mobile-float32", "mobile-int8"], scope="module")
def page(
    request: pytest.FixtureRequest,
    bundle_of: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, Any], set[str]]:
    bundle = bundle_of(request.param)
    results, hosts = use_page(bundle, bundle / "photo.jpg", tmp_path_factory.mktemp("web"))
    return bundle, results, hosts


class TestInABrowser:
    pytestmark = needs_browser

    def test_the_golden_vector_is_reproduced(self, page: tuple) -> None:
        _, results, _ = page
        start = results["start"]
        assert start["error"] == ""
        largest, limit = re.search(r"difference (\S+), limit (\S+)", start["golden"]).groups()
        assert float(largest) <= float(limit)
        assert start["title"] == "stripes-residual"

    def test_the_photograph_becomes_the_pixels_of_the_contract(self, page: tuple) -> None:
        bundle, results, _ = page
        expected = np.asarray(Image.open(bundle / "photo_input.png")).astype(int)
        shown = results["litert"]
        found = np.array(shown["pixels"]).reshape(*shown["size"], 4)[..., :3]
        # JPEG may be decoded otherwise by one; rounding adds as much at most.
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1

    @pytest.mark.parametrize("runtime", ["litert", "mediapipe"])
    def test_the_five_best_classes_are_those_of_litert(self, page: tuple, runtime: str) -> None:
        bundle, results, _ = page
        shown = results[runtime]
        assert shown["error"] == ""
        pixels = np.array(shown["pixels"], np.uint8).reshape(1, *shown["size"], 4)[..., :3]
        ours = TFLiteInterpreter(bundle / "model.tflite").probabilities(pixels)[0]
        close = {"abs": 1e-5 if "float32" in _target(bundle) else 2 / 256}
        indices, names, probabilities = zip(*shown["answers"], strict=True)
        assert list(names) == [CLASSES[index] for index in indices]
        assert list(probabilities) == pytest.approx(np.sort(ours)[::-1][:5].tolist(), **close)
        assert list(probabilities) == pytest.approx([ours[index] for index in indices], **close)
        assert shown["time"].endswith("ms per image, median of 20")

    def test_no_other_host_is_asked(self, page: tuple) -> None:
        _, _, hosts = page
        assert len(hosts) == 1
        assert re.fullmatch(r"127\.0\.0\.1:\d+", hosts.pop())

    def test_a_changed_file_is_named(self, bundle_of: Callable[..., Path], tmp_path: Path) -> None:
        bundle = Path(shutil.copytree(bundle_of("mobile-int8"), tmp_path / "bundle"))
        (bundle / "labels.txt").write_text("\n".join(reversed(CLASSES)) + "\n")
        results, _ = use_page(bundle, bundle / "photo.jpg", tmp_path)
        error = results["start"]["error"]
        assert error == "labels.txt is not the file that contract.json describes."

    def test_onnxruntime_web_gives_the_probabilities_of_keras(
        self,
        bundle_of: Callable[..., Path],
        net_of: Callable[[str], TrainedModel],
        test_images: np.ndarray,
        tmp_path: Path,
    ) -> None:
        pytest.importorskip("tf2onnx", reason="needs tf2onnx: pip install reszoo[onnx]")
        images = test_images[:3]
        (tmp_path / "pixels").write_bytes(images.astype("<f4").tobytes())
        bundle = bundle_of("onnx")
        results, _ = use_page(bundle, tmp_path / "pixels", tmp_path, ONNX_DRIVER)
        found = np.reshape(results["probabilities"], (3, -1))
        expected = keras_probabilities(net_of("residual"), images)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def _target(bundle: Path) -> str:
    return json.loads((bundle / "contract.json").read_text())["target"]["name"]


def test_versions_are_pinned_and_no_host_is_named() -> None:
    lock = (WEB / "package-lock.json").read_text()
    assert "resolved" not in lock and "://" not in lock
    assert (WEB / ".npmrc").read_text() == "omit-lockfile-registry-resolved=true\n"
    packages = {name: entry for name, entry in json.loads(lock)["packages"].items() if name}
    assert packages and all(entry["integrity"].startswith("sha") for entry in packages.values())
    wanted = json.loads((WEB / "package.json").read_text())
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert packages[f"node_modules/{name}"]["version"] == version


def test_the_page_may_ask_no_other_host() -> None:
    html = (WEB / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "default-src 'none'" in policy
    sources = {word for rule in policy.split(";") for word in rule.split()[1:]}
    assert all(source.startswith("'") or source in ("blob:", "data:") for source in sources)
    for file in (WEB / "index.html", *WEB.glob("*.js")):
        assert not re.search(r"https?://", file.read_text())


def test_vendored_files_are_not_tracked() -> None:
    ignored = (CLIENTS.parents[1] / ".gitignore").read_text().splitlines()
    assert "node_modules/" in ignored
