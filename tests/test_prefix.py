"""The server under a path of a host that serves other things too, such as https://host/sketch/."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from canvas import OUTLINE, draw, photo, serving
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import expect
from real_server import ask
from test_access import MODELS
from web import assert_problem, b64, encoded, png

from app.cli.main import main
from app.http import ENGINE, create_app
from app.http.middleware import COMPILER_POLICY

BY_PROXY = {"X-Forwarded-Prefix": "/sketch"}
LINK = re.compile(r'(?:src|href)="([^"#]+)"')


def client(**options):
    return create_app(MODELS, **options).test_client()


# A proxy takes the prefix away and names it, or takes it away, or leaves it.
WAYS = {
    "named by the proxy": ({"proxies": 1}, BY_PROXY, ""),
    "of two proxies the first names it": ({"proxies": 2}, BY_PROXY, ""),
    "an option, taken away": ({"prefix": "/sketch"}, {}, ""),
    "an option, left": ({"prefix": "/sketch"}, {}, "/sketch"),
}


@pytest.mark.parametrize(("options", "headers", "base"), WAYS.values(), ids=WAYS.keys())
def test_every_link_of_every_page_is_under_the_prefix(options, headers, base) -> None:
    one = client(**options)
    for page in ("/", "/docs/"):
        links = LINK.findall(one.get(base + page, headers=headers).text)
        assert len(links) >= 4 and all(link.startswith("/sketch/") for link in links)
        for link in links:
            with one.get(base + link.removeprefix("/sketch"), headers=headers) as answer:
                assert answer.status_code == 200, link
    assert "/sketch/docs/" in LINK.findall(one.get(base + "/", headers=headers).text)


@pytest.mark.parametrize(("options", "headers", "base"), WAYS.values(), ids=WAYS.keys())
def test_api_worker_and_service_files_are_under_the_prefix(options, headers, base) -> None:
    one = client(**options)
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/models"):
        assert one.get(base + path, headers=headers).status_code == 200
    assert one.post(base + "/api/v1/seeds", json={"seed": 1}, headers=headers).status_code == 200
    missing = assert_problem(one.get(base + "/api/v1/models/boots.onnx", headers=headers), 404)
    assert missing["instance"] == "/sketch/api/v1/models/boots.onnx"
    with one.get(base + "/static/js/device/worker.js", headers=headers) as worker:
        assert worker.headers["Content-Security-Policy"] == COMPILER_POLICY
    assert one.get(base + "/openapi.json", headers=headers).json["servers"] == [{"url": "/sketch"}]


@pytest.mark.parametrize(("options", "headers", "base"), WAYS.values(), ids=WAYS.keys())
def test_the_cookie_with_the_token_is_for_the_prefix_alone(options, headers, base) -> None:
    """Two servers of one host would each send the other's token."""
    one = client(token="s3cret", **options)
    opened = one.get(base + "/?token=s3cret", headers=headers)
    assert opened.status_code == 302 and opened.headers["Location"] == "/sketch/"
    assert "Path=/sketch;" in opened.headers["Set-Cookie"] + ";"


def test_without_a_prefix_everything_is_where_it_was() -> None:
    one = client(token="s3cret")
    assert "Path=/;" in one.get("/?token=s3cret").headers["Set-Cookie"] + ";"
    assert one.get("/openapi.json").json["servers"] == [{"url": "/"}]
    assert all(not link.startswith("//") for link in LINK.findall(one.get("/").text))


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        ({}, "/sketch"),
        *[
            ({"proxies": 1}, p)
            for p in ("//evil.example", 'x"y', "/a b", "/..", "/a/../b", "http://evil.example", "/", "")
        ],
    ],
)
def test_a_client_cannot_choose_where_the_links_lead(options, prefix) -> None:
    page = client(**options).get("/", headers={"X-Forwarded-Prefix": prefix}).text
    assert 'href="/docs/"' in page and "evil" not in page


@pytest.mark.parametrize(("path", "leads_to"), [("/docs", "/docs/"), ("/docs//index.css", "/docs/index.css")])
def test_a_redirect_leads_to_no_other_host(path: str, leads_to: str) -> None:
    """The client chose it by X-Forwarded-Host, where the proxy does not set that."""
    headers = {**BY_PROXY, "X-Forwarded-Host": "evil.example"}
    answer = client(proxies=1).get(f"{path}?a=1", headers=headers)
    assert answer.status_code == 308 and "evil" not in answer.text
    assert answer.headers["Location"] == f"/sketch{leads_to}?a=1"
    assert answer.headers["X-Request-ID"] and "Content-Security-Policy" in answer.headers


def test_a_longer_name_is_not_the_prefix() -> None:
    one = client(prefix="/sketch")
    assert one.get("/sketches/").status_code == 404
    assert [one.get(path).status_code for path in ("/sketch", "/sketch/", "/")] == [200] * 3


@pytest.mark.parametrize("prefix", ["sketch", "/sketch/", "/a/b"])
def test_slashes_around_a_prefix_do_not_matter(prefix: str) -> None:
    assert f'href="/{prefix.strip("/")}/docs/"' in client(prefix=prefix).get("/").text


@pytest.mark.parametrize(
    "prefix", ["/a//b", "https://host/sketch", "/a b", "/ä", "/api", "/static/x", "/healthz", "/.."]
)
def test_a_prefix_that_cannot_be_is_named_before_anything_is_loaded(prefix: str) -> None:
    result = CliRunner().invoke(main, ["serve", "--prefix", prefix])
    assert result.exit_code == 2 and f"--prefix {prefix!r}" in result.stderr


# ----------------------------------------------------------------------------------------------- a real nginx

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH')}:/usr/sbin")
NGINX_CONFIG = """
daemon off; user root; worker_processes 1; pid nginx.pid; error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path x; uwsgi_temp_path x; scgi_temp_path x;
    server {{
        listen 127.0.0.1:{port};
        location /sketch/ {{
            proxy_pass {target};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            {more}
            client_max_body_size 20m;
            proxy_buffering {buffering}; proxy_request_buffering {buffering};
        }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, target: str, more: str, buffering: str) -> Iterator[str]:
    """The address under which nginx publishes the server at `target`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:  # nginx inherits it: nobody waits for its start
        port = listening.getsockname()[1]
        config = folder / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(port=port, target=target, more=more, buffering=buffering))
        process = subprocess.Popen(
            [str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(config)],
            env={"NGINX": f"{listening.fileno()};"},
            pass_fds=[listening.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{port}/sketch/"
        finally:
            process.terminate()
            process.wait()


BEHIND_NGINX = {
    "named": ({"proxies": 1}, "/", "proxy_set_header X-Forwarded-Prefix /sketch;"),
    "taken away": ({"prefix": "/sketch"}, "/", ""),
    "left": ({"prefix": "/sketch"}, "", ""),
}
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")


@needs_nginx
@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize(("options", "path", "more"), BEHIND_NGINX.values(), ids=BEHIND_NGINX.keys())
def test_pages_and_photos_come_through_nginx(translators, tmp_path, options, path, more, buffering) -> None:
    with (
        serving(translators, **options) as backend,
        nginx(tmp_path, backend.rstrip("/") + path, more, buffering) as url,
    ):
        links = {link for page in ("", "docs/") for link in LINK.findall(ask(url, page)[1].decode())}
        assert len(links) >= 8 and all(link.startswith("/sketch/") for link in links)
        for link in links:
            assert ask(url, link.removeprefix("/sketch/"))[0] == 200, link
        noise = np.random.default_rng(0).integers(0, 256, (1000, 1000), np.uint8)
        for body in (png(), encoded(Image.fromarray(noise))):  # small, and above nginx's buffers both ways
            request = {"sketch": b64(body), "model": "single", "variants": 2}
            status, answer = ask(url, "api/v1/translate", request)
            assert status == 200 and len(json.loads(answer)["images"]) == 2


@needs_nginx
def test_the_canvas_draws_behind_nginx(browser, translators, tmp_path) -> None:
    options, path, more = BEHIND_NGINX["named"]
    with (
        serving(translators, **options) as backend,
        nginx(tmp_path, backend.rstrip("/") + path, more, "on") as url,
        browser.new_context() as context,
    ):
        page = context.new_page()
        complaints, asked = [], []
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        context.on("request", lambda request: asked.append(request.url))
        page.goto(url + "#model=player")
        expect(page.locator("#model")).to_be_enabled()
        draw(page, OUTLINE)
        photo(page)
        if ENGINE.exists():
            page.locator("#more").click()
            page.locator("#on-device").click()
            expect(page.locator("#latency")).to_have_text(re.compile("this device$"), timeout=30_000)
            assert any(one.startswith(url + "api/v1/models/player.onnx") for one in asked)
        page.goto(url + "docs/")
        expect(page.get_by_text("/api/v1/translate", exact=True)).to_be_visible(timeout=30_000)
        assert complaints == []
        outside = [one for one in asked if not one.startswith((url, "data:", "blob:"))]
        assert outside == [] and url + "api/v1/translate" in asked
