"""Pages of other sites may not use the server, unless their origin is allowed."""

from __future__ import annotations

import pytest
from canvas import serving
from click.testing import CliRunner
from test_access import MODELS
from web import assert_problem, b64, png

from app.cli.main import main
from app.http import create_app

SHOP = "https://shop.example"
EXPOSED = {"X-Request-ID", "Retry-After", "X-Notices"}


def client(*origins, **options):
    return create_app(MODELS, allow_origins=origins, **options).test_client()


def ask(one, origin=SHOP, **headers):
    return one.post("/api/v1/seeds", json={"seed": 1}, headers={"Origin": origin, **headers})


def preflight(one, origin=SHOP, path="/api/v1/translate"):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    return one.options(path, headers={"Origin": origin, **asked})


def listed(response, header):
    return {name.strip() for name in response.headers.get(header, "").split(",")}


def test_a_page_of_an_allowed_origin_may_post_and_read_the_answer() -> None:
    one = client("http://localhost:3000", SHOP)
    for origin in ("http://localhost:3000", SHOP):
        answer = ask(one, origin)
        assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == origin
        assert listed(answer, "Access-Control-Expose-Headers") == EXPOSED
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example.evil",
        "https://a.shop.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://SHOP.example",
        "null",
        "*",
    ],
)
def test_an_origin_must_be_the_allowed_one_exactly(origin: str) -> None:
    one = client(SHOP)
    refused = ask(one, origin)
    assert_problem(refused, 403)
    for answer in (refused, preflight(one, origin)):
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in listed(answer, "Vary")


def test_answers_depend_on_the_origin_for_every_cache() -> None:
    one = client(SHOP)
    for headers in ({}, {"Origin": SHOP}):
        answer = one.get("/api/v1/models", headers=headers)
        assert "Origin" in listed(answer, "Vary")
        assert ("Access-Control-Allow-Origin" in answer.headers) == bool(headers)


def test_without_allowed_origins_nothing_is_said_of_them() -> None:
    for answer in (preflight(client()), client().get("/api/v1/models", headers={"Origin": SHOP})):
        assert "Access-Control" not in str(answer.headers)
        assert "Origin" not in listed(answer, "Vary")


def test_a_preflight_needs_no_token_and_is_not_counted() -> None:
    """A browser sends none with it."""
    one = client(SHOP, token="s3cret", rate="1 per minute")
    for _ in range(3):
        answer = preflight(one)
        assert answer.status_code == 204 and answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert {"GET", "POST"} <= listed(answer, "Access-Control-Allow-Methods")
        assert {"Authorization", "Content-Type", "X-Request-ID"} <= listed(
            answer, "Access-Control-Allow-Headers"
        )
        assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert preflight(one, "https://evil.example").status_code == 401


def test_a_page_can_read_what_is_wrong_and_when_to_try_again() -> None:
    one = client(SHOP, token="s3cret", rate="2 per minute")
    statuses = []
    for headers in ({}, {"Authorization": "Bearer s3cret"}, {}):
        answer = ask(one, **headers)
        statuses.append(answer.status_code)
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert statuses == [401, 200, 429] and "Retry-After" in answer.headers


def test_every_origin_may_be_allowed_where_there_is_no_token() -> None:
    answer = ask(client("*"), "https://any.example")
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--allow-origin", "*", "--token", "s3cret"], "name the origins"),
        (["--allow-origin", SHOP, "--allow-origin", "https://shop.example/"], "'https://shop.example/'"),
        *[
            (["--allow-origin", origin], f"{origin!r} is not an origin")
            for origin in (
                "",
                "null",
                "shop.example",
                "https://Shop.example",
                "https://shop.example:443",
                "http://localhost:80",
                "https://*.example",
                "ftp://shop.example",
                "https://me@shop.example",
                "https://schuh.beispiél",
                "https://shop.example\n",
            )
        ],
    ],
)
def test_an_origin_that_no_browser_sends_is_named_before_anything_is_loaded(options, words) -> None:
    result = CliRunner().invoke(main, ["serve", *options])
    assert result.exit_code == 2 and words in result.stderr


def test_a_page_of_ones_own_translates_in_a_browser(browser, url, translators) -> None:
    """A page of another port, with a token and a picture as the body: the browser sends a preflight."""
    with browser.new_context(bypass_csp=True) as context:
        page = context.new_page()
        page.goto(url + "healthz")
        with serving(translators, allow_origins=[url.rstrip("/")], token="s3cret") as other:
            status, request_id, kind = page.evaluate(
                """async ([url, base64]) => {
                  const kinds = { "Content-Type": "image/png", Accept: "image/png" };
                  const headers = { Authorization: "Bearer s3cret", ...kinds };
                  const body = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
                  const answer = await fetch(url, { method: "POST", headers, body });
                  const told = answer.headers;
                  return [answer.status, told.get("X-Request-ID"), told.get("Content-Type")];
                }""",
                [other + "api/v1/translate?model=single", b64(png())],
            )
    assert (status, kind) == (200, "image/png") and len(request_id) == 32
