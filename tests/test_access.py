"""Access: the rate limit, other origins, the token, the formats of pictures, the log."""

import io
import json
import logging
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from PIL import Image
from web import assert_problem, b64, encoded, png, translate
from werkzeug.test import create_environ, run_wsgi_app

from app.cli.main import main
from app.http import create_app
from app.http.access import LOOPBACK, is_loopback
from app.http.middleware import JsonLines
from pix2pix.model import latents

MODELS = {
    "none": SimpleNamespace(
        name="none",
        title="None",
        size_px=32,
        latent_size=4,
        encodes=False,
        judges=False,
        takes_strokes=False,
        palette=(),
        directions=(),
        device="cpu",
        latent=lambda seed: latents.draw(seed, 4),
    )
}


def client(**options):
    return create_app(MODELS, **options).test_client()


def ask(one, **headers):
    return one.get("/api/v1/models", headers=headers)


# ------------------------------------------------------------------------------------------------- how often


def test_a_client_beyond_its_rate_is_told_when_to_come_again() -> None:
    one = client(rate="3 per minute")
    answers = [ask(one) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert not any("Retry-After" in answer.headers for answer in answers[:3])
    refused = ask(one)
    problem = assert_problem(refused, 429)
    assert "may send requests 3 times per minute" in problem["detail"]
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    for path in ("/", "/healthz", "/readyz", "/metrics", "/static/style.css"):
        with one.get(path) as answer:
            assert answer.status_code == 200
    assert 'pix2pix_rejections_total{reason="rate"} 3.0' in one.get("/metrics").text


def test_each_client_has_a_rate_of_its_own() -> None:
    one = client(rate="1 per minute")
    assert ask(one).status_code == 200 and ask(one).status_code == 429
    assert one.get("/api/v1/models", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 200


def test_a_client_cannot_choose_its_address_unless_a_proxy_says_it() -> None:
    direct, behind = client(rate="1 per minute"), client(rate="1 per minute", proxies=1)
    statuses = [
        [ask(one, **{"X-Forwarded-For": f"10.0.0.{i}"}).status_code for i in range(3)]
        for one in (direct, behind)
    ]
    assert statuses == [[200, 429, 429], [200, 200, 200]]


def test_the_routes_share_one_rate() -> None:
    """Regression: each route had its own, so that five routes gave five times as much."""
    one = client(rate="2 per minute; 100 per 2 hours")
    paths = ("seeds", "sketch", "encode", "interpolate")
    statuses = [one.post(f"/api/v1/{path}", json={}).status_code for path in paths]
    assert statuses[2:] == [429, 429] and 429 not in statuses[:2]
    detail = one.get("/api/v1/models").json["detail"]
    assert "2 times per minute and 100 times in 2 hours" in detail


def test_tokens_are_not_guessed_without_end() -> None:
    """Regression: a wrong token was refused before anything was counted."""
    one = client(token="s3cret", rate="2 per minute")
    assert [ask(one, Authorization=f"Bearer {i}").status_code for i in range(4)] == [401, 401, 429, 429]
    assert one.get("/?token=guessed").status_code == 429
    other = {"environ_base": {"REMOTE_ADDR": "10.0.0.9"}}
    assert [one.get("/?token=guessed", **other).status_code for _ in range(3)] == [401, 401, 429]
    assert one.get("/?token=s3cret").status_code == 302
    assert [one.get("/").status_code for _ in range(5)] == [200] * 5  # who knows it may open the page
    assert one.get("/healthz").status_code == 200


@pytest.mark.parametrize("rate", ["banana", "60", "-1 per second", "60 per banana"])
def test_a_rate_that_says_nothing_is_named_before_anything_is_loaded(rate: str) -> None:
    """Regression: the server started, and answered every request with 500."""
    result = CliRunner().invoke(main, ["serve", "--rate", rate])
    assert (
        result.exit_code == 2
        and f"{rate!r} is not a rate" in result.stderr
        and "60 per second" in result.stderr
    )


# ------------------------------------------------------------------------------------------------ other sites


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:81", "http://localhost.evil", "http://["]
)
def test_a_page_of_another_site_may_not_post(origin: str) -> None:
    refused = client().post("/api/v1/seeds", json={"seed": 1}, headers={"Origin": origin})
    assert "own pages" in assert_problem(refused, 403)["detail"]


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}])
def test_its_own_page_and_programs_may(headers: dict) -> None:
    assert client().post("/api/v1/seeds", json={"seed": 1}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:8000", 200), ("[::1]:8000", 200), ("evil.example", 400)]
)
def test_a_site_whose_name_resolves_to_this_machine_is_refused(host: str, status: int) -> None:
    one = client(hosts=LOOPBACK)
    for path in ("/", "/api/v1/models", "/static/style.css"):
        with one.get(path, headers={"Host": host}) as answer:
            assert answer.status_code == status
    origin = {"Host": host, "Origin": f"http://{host}"}
    assert one.post("/api/v1/seeds", json={"seed": 1}, headers=origin).status_code == status
    assert one.get("/healthz", headers={"Host": host}).status_code == 200
    if status == 400:
        assert "evil.example" in assert_problem(ask(one, Host=host), 400)["detail"]


def test_programs_may_leave_out_the_host() -> None:
    """Browsers never do."""
    environment = create_environ("/api/v1/models")
    del environment["HTTP_HOST"]
    _, status, _ = run_wsgi_app(create_app(MODELS, hosts=LOOPBACK), environment)
    assert status == "200 OK"


# -------------------------------------------------------------------------------------------------- the token


def test_a_token_may_have_any_letters() -> None:
    latin = "s3crét".encode().decode("latin-1")  # as WSGI gives it
    assert ask(client(token="s3crét"), Authorization=f"Bearer {latin}").status_code == 200


def test_without_the_token_nothing_is_to_be_had_but_health() -> None:
    one = client(token="s3cret")
    for path in ("/", "/metrics", "/static/style.css"):
        assert one.get(path).status_code == 401
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
        refused = ask(one, **headers)
        assert_problem(refused, 401)
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert [one.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    assert ask(one, Authorization="Bearer s3cret").status_code == 200
    assert ask(one, Authorization="Bearer s3crét").status_code == 401


def test_the_page_is_opened_with_the_token_once() -> None:
    one = client(token="s3cret")
    refused = one.get("/?token=wrong")
    assert refused.status_code == 401 and "/?token=TOKEN" in refused.text
    opened = one.get("/?token=s3cret")
    assert opened.status_code == 302 and opened.headers["Location"] == "/"
    cookie = opened.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert one.get("/").status_code == 200 and ask(one).status_code == 200


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        *[(host, True) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")],
        *[(host, False) for host in ("0.0.0.0", "::", "192.168.1.5", "example.org")],
    ],
)
def test_loopback_is_told_from_the_rest(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone


def test_others_may_not_ask_by_oversight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIX2PIX_TOKEN", raising=False)
    result = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0"])
    assert result.exit_code == 2 and "--token" in result.stderr and "--public" in result.stderr


# ------------------------------------------------------------------------------------------- what may be sent


@pytest.mark.parametrize("kind", ["BMP", "PPM"])
def test_formats_that_hardly_anybody_sends_are_not_decoded(kind: str) -> None:
    picture = png(save_as=kind)
    problem = assert_problem(translate(client(), sketch=b64(picture)), 415)
    assert f"a {kind} file; supported formats: PNG, JPEG, WEBP" in problem["detail"]
    for path, name in (("sketch", "sketch"), ("encode", "photo")):
        body = {name: (io.BytesIO(picture), "x.png")}
        if path == "sketch":
            assert_problem(client().post(f"/api/v1/{path}", data=body), 415)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_those_of_browsers_phones_and_scanners_are(kind: str) -> None:
    body = {"sketch": (io.BytesIO(png(save_as=kind)), "anything")}
    assert client().post("/api/v1/sketch", data=body).status_code == 200


def test_a_bomb_is_told_from_its_header() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)))
    assert len(bomb) < 100_000
    assert_problem(client().post("/api/v1/sketch", data={"sketch": (io.BytesIO(bomb), "x.png")}), 413)


# ------------------------------------------------------------------------------------------------------- logs


def test_methods_that_clients_make_up_fill_neither_the_figures_nor_the_log(caplog) -> None:
    """Regression: each became a label, for ever, with 15 lines on /metrics."""
    one = client()
    with caplog.at_level(logging.INFO, "app.http.middleware"):
        for i in range(20):
            one.open("/healthz", method=f"BREW{i}" + "X" * 1000)
    assert len(caplog.records) == 20 and all(len(line) < 200 for line in caplog.messages)
    page = one.get("/metrics").text
    assert "BREW" not in page and page.count('pix2pix_request_seconds_count{method="other"') == 1


def test_a_log_line_may_be_json(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "app.http.middleware"):
        client().get("/api/v1/models?x=1", headers={"X-Request-ID": "abc-1"})
    line = json.loads(JsonLines().format(caplog.records[-1]))
    expected = {"method": "GET", "path": "/api/v1/models", "status": 200, "request_id": "abc-1"}
    assert expected.items() <= line.items() and line["client"] == "127.0.0.1" and line["ms"] >= 0
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("app.x").error("bad", exc_info=True)
    failure = JsonLines().format(caplog.records[-1])
    assert "\n" not in failure and "ValueError" in json.loads(failure)["traceback"]
