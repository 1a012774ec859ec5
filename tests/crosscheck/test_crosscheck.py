"""One table: every file against six verifiers; three share no code with the C2PA library.

A cross means: this verifier would call the file authentic. The clean file must have six; what else
has any is a blindness of that verifier, written down here, and never ours. README.md shows the
table. Node and chromium are needed for the last two columns; where one is absent it says so.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from primafacie.platform import web
from primafacie.safeguards.provenance.manifest import Credentials, settings

HERE = Path(__file__).parent
VENDOR = Path(web.__file__).parent / "static" / "vendor"
CHROMIUM = Path("/usr/bin/chromium")
NODE = shutil.which("node")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: Files that a verifier calls authentic though they are not. `examiner` and `own checker` are ours.
BLIND: dict[str, set[str]] = {
    "examiner": set(),
    "own checker": {"the file type"},
    "c2pa-python": {
        "the padding stuffed", "the file type", "the time-stamp broken", "the time-stamp dropped",
        "the time-stamper's key signs",
    },
    "encypher-c2pa": {
        "the padding stuffed", "the file type", "the time-stamp broken", "the time-stamp dropped",
        "the flags of a JUMBF box",
    },
    "c2pa-ts": {
        "the file type", "the time-stamp broken", "the time-stamp dropped",
        "a look-alike authority",
    },
    "c2pa-web": {
        "the padding stuffed", "the file type", "the time-stamp broken", "the time-stamp dropped",
        "the time-stamper's key signs",
    },
}  # fmt: skip
PAGE = """<!doctype html><title>x</title><script type="module">
import { createC2pa } from "/c2pa-web.min.js";
window.check = async (config, base64) => {
  window.sdk ??= await createC2pa({ wasmSrc: "/c2pa_bg.wasm", settings: config });
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  try {
    const reader = await window.sdk.reader.fromBlob("video/mp4", new Blob([bytes]));
    if (!reader) return "none";
    const store = await reader.manifestStore();
    await reader.free();
    return store.validation_state;
  } catch (error) {
    return "error: " + error;
  }
};
</script>"""


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"crosscheck_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(newsroom: Any, make_scene: Any, make_voice: Any) -> dict[str, bytes]:
    made: dict[str, bytes] = _load("corpus").corpus(newsroom, make_scene, make_voice)
    assert len(made) == len(set(made.values()))
    return made


Column = Callable[[Any, dict[str, bytes]], set[str]]


def by_examiner(newsroom: Any, files: dict[str, bytes]) -> set[str]:
    """The product's own reading, without register and log."""
    credentials = Credentials(newsroom.trust)
    return {name for name, data in files.items() if credentials.read(data).sound}


def by_library(newsroom: Any, files: dict[str, bytes]) -> set[str]:
    """c2pa-python alone, strictest settings."""
    credentials = Credentials(newsroom.trust)
    return {name for name, data in files.items() if credentials.inspect(data).state == "Trusted"}


def by_encypher(newsroom: Any, files: dict[str, bytes]) -> set[str]:
    """A core of its own, in Rust."""
    import encypher_c2pa

    trusted, pki = set(), newsroom.pki
    for name, data in files.items():
        try:
            said = encypher_c2pa.verify(
                data, "video/mp4", trust_pem=pki.root_pem.decode(),
                tsa_trust_pem=pki.time_root_pem.decode(), no_default_trust=True, telemetry=False,
                online=False,
            )  # fmt: skip
        except Exception:  # its errors are its own; an error is no trust
            continue
        if said["validation_state"] == "Trusted":
            trusted.add(name)
    return trusted


def by_typescript(files: dict[str, bytes], folder: Path) -> set[str]:
    """TypeScript in Node; it has no trust list, so a look-alike is as good to it."""
    paths = {}
    for number, (name, data) in enumerate(files.items()):
        path = folder / f"{number}.mp4"
        path.write_bytes(data)
        paths[str(path)] = name
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(HERE / "c2pa_ts.mjs"), *paths], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return {paths[path] for path, said in json.loads(done.stdout).items() if said["valid"]}


def by_browser(newsroom: Any, files: dict[str, bytes]) -> set[str]:
    """The very files that the verify page serves, in chromium, on a page of their own."""
    import base64

    from playwright.sync_api import sync_playwright

    served = {
        "/": ("text/html", PAGE.encode()),
        "/c2pa-web.min.js": ("text/javascript", (VENDOR / "c2pa-web.min.js").read_bytes()),
        "/c2pa_bg.wasm": (
            "application/wasm", gzip.decompress((VENDOR / "c2pa_bg.wasm.gz").read_bytes())
        ),
    }  # fmt: skip

    def answer(route: Any) -> None:
        path = "/" + route.request.url.split("/", 3)[3]
        kind, body = served.get(path, ("text/plain", b""))
        route.fulfill(status=200 if path in served else 404, content_type=kind, body=body)

    pki = newsroom.pki
    config = {
        "trust": {
            "trustAnchors": (pki.root_pem + pki.time_root_pem).decode(),
            "trustConfig": settings(newsroom.trust)["trust"]["trust_config"],
        },
        "verify": {"verifyTrust": True, "remoteManifestFetch": False},
    }
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        page = chromium.new_page()
        page.route("**/*", answer)
        page.goto("http://localhost/")
        page.wait_for_function("() => Boolean(window.check)")
        said = {
            name: page.evaluate(
                "([c, b]) => window.check(c, b)", [config, base64.b64encode(data).decode()]
            )
            for name, data in files.items()
        }
        chromium.close()
    return {name for name, state in said.items() if state == "Trusted"}


def test_the_table_is_large_enough(files: dict[str, bytes]) -> None:
    assert len(files) >= 15 and len(BLIND) >= 5


@pytest.mark.parametrize(
    ("name", "column"),
    [("examiner", by_examiner), ("c2pa-python", by_library), ("encypher-c2pa", by_encypher)],
)
def test_column(newsroom: Any, files: dict[str, bytes], name: str, column: Column) -> None:
    assert column(newsroom, files) == {"clean"} | BLIND[name]


def test_column_own_checker(newsroom: Any, files: dict[str, bytes], own_checker: Any) -> None:
    pki = newsroom.pki
    accepted = {
        name for name, data in files.items()
        if own_checker(data, pki.root_pem, pki.time_root_pem) == []
    }  # fmt: skip
    assert accepted == {"clean"} | BLIND["own checker"]


@pytest.mark.skipif(NODE is None, reason="NO NODE on the path: the column of c2pa-ts was NOT run")
def test_column_c2pa_ts(files: dict[str, bytes], tmp_path: Path) -> None:
    assert by_typescript(files, tmp_path) == {"clean"} | BLIND["c2pa-ts"]


@pytest.mark.slow
@pytest.mark.skipif(
    not CHROMIUM.exists(),
    reason="NO CHROMIUM at /usr/bin/chromium: the column of c2pa-web was NOT run",
)
def test_column_c2pa_web(newsroom: Any, files: dict[str, bytes]) -> None:
    assert by_browser(newsroom, files) == {"clean"} | BLIND["c2pa-web"]


def test_the_readme_shows_this_very_table(files: dict[str, bytes]) -> None:
    rows = {
        cells[0]: cells[1:]
        for line in (HERE / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and (cells := [c.strip() for c in line.strip("| ").split("|")])
    }
    assert rows["file"] == list(BLIND)
    for name in files:
        crosses = ["x" if name == "clean" or name in blind else "" for blind in BLIND.values()]
        padded = [*rows[name], *[""] * (len(BLIND) - len(rows[name]))]
        assert padded == crosses, name


@pytest.mark.slow
def test_the_verdict_on_every_file(newsroom: Any, files: dict[str, bytes]) -> None:
    """With register and log, in the examiner's own child: one EXACT, nothing else AUTHENTIC."""
    levels = {name: newsroom.examine(data, keys=()).level.name for name, data in files.items()}
    assert levels.pop("clean") == "EXACT"
    assert set(levels.values()) <= {"ALTERED", "UNRECOGNISED_ISSUER", "NO_CREDENTIAL"}, levels
    assert levels["a look-alike authority"] == "UNRECOGNISED_ISSUER"
    assert levels["the time-stamper's key signs"] == "UNRECOGNISED_ISSUER"
    assert levels["the time-stamp dropped"] == "UNRECOGNISED_ISSUER"
    assert levels["the credential stripped"] == "NO_CREDENTIAL"


def test_what_is_vendored_is_what_its_list_names() -> None:
    import hashlib

    (row,) = json.loads((HERE / "vendor" / "VENDOR.json").read_text(encoding="utf-8"))
    data = (HERE / "vendor" / row["file"]).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (row["sha256"], row["bytes"])
    assert (HERE / "vendor" / row["licence_text"]).is_file()
