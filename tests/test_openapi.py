"""The description of the API is what the API does."""

import re
import warnings

import pytest
from conftest import TINY, save_critic
from hypothesis import HealthCheck, given, settings
from PIL import Image
from web import b64, encoded, png

import pix2pix
from app.http import create_app
from app.http.openapi import ROUTES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.specs.openapi.checks import positive_data_acceptance

SKETCH = b64(png())
HINTS = b64(encoded(Image.new("RGBA", (40, 40), (200, 30, 40, 0))))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory):
    bundle = save_critic(tmp_path_factory.mktemp("models") / "tiny.safetensors", TINY)
    return create_app({"tiny": pix2pix.load(bundle, device="cpu")})


@pytest.fixture(scope="module")
def document(app):
    return app.test_client().get("/openapi.json").json


def test_every_route_is_described_and_no_other(app, document) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    there = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule not in ("/", "/docs/", "/docs/<path:path>", "/openapi.json", "/static/<path:filename>")
    }
    assert described == there


def test_the_page_loads_local_files_only_and_has_no_inline_code(app) -> None:
    client = app.test_client()
    page = client.get("/docs/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", page)
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "/docs/swagger-ui-bundle.js" in files
    for file in files:
        with client.get(file) as response:
            assert response.status_code == 200
    with client.get("/static/docs.js") as script:
        assert '"/openapi.json"' in script.text


def test_every_field_of_a_request_is_explained_with_an_example(document) -> None:
    for route in ROUTES:
        if route.payload:
            fields = document["components"]["schemas"][route.payload.__name__]["properties"]
            assert all(field["description"] and field["examples"] for field in fields.values())


@pytest.mark.filterwarnings("ignore")  # of schemathesis
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_the_api_conforms_to_its_description(app, route) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)

    @given(case=schema[route.path][route.method.upper()].as_strategy())
    @settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def conforms(case) -> None:
        # no schema says what a picture is, or that one of two fields is to be given
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    conforms()


BODIES = {
    "/api/v1/translate": [
        {"sketch": SKETCH},
        {"sketch": SKETCH, "seed": 3, "variants": 2, "realism": True},
        {"sketch": SKETCH, "hints": HINTS, "transparent": True},
        {"sketch": SKETCH, "size": 300},
    ],
    "/api/v1/seeds": [{}, {"seed": 5, "count": 2}],
    "/api/v1/encode": [{"photo": SKETCH}],
    "/api/v1/interpolate": [{"sketch": SKETCH, "from": {"seed": 1}, "to": {"seed": 2}, "steps": 2}],
    "/api/v1/arithmetic": [{"plus": [{"seed": 1}]}, {"plus": [{"seed": 1}], "sketch": SKETCH}],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("path", "body"), [(path, body) for path, many in BODIES.items() for body in many])
def test_answers_to_sound_questions_are_as_described(app, path, body) -> None:
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path]["POST"]
    case = operation.Case(body=body, media_type="application/json")
    response = case.call_and_validate()
    assert response.status_code == 200


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_a_picture_as_the_body_is_described_with_the_other_fields_in_the_query(app, document, kind) -> None:
    for route, picture, fields in (
        (
            "translate",
            "sketch",
            {
                "model",
                "hints",
                "transparent",
                "realism",
                "stream",
                "seed",
                "z",
                "variants",
                "size",
                "latents",
            },
        ),
        ("encode", "photo", {"model"}),
    ):
        operation = document["paths"][f"/api/v1/{route}"]["post"]
        assert {"image/png", "image/jpeg", "image/webp"} < operation["requestBody"]["content"].keys()
        parameters = operation["parameters"]
        assert {parameter["name"] for parameter in parameters} == fields and picture not in fields
        # Swagger UI would send a default with bodies of JSON, too
        assert not any("required" in one or "default" in one["schema"] for one in parameters)
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)["/api/v1/translate"]["POST"]
    body = png(save_as=kind.removeprefix("image/").upper())
    case = operation.Case(body=body, media_type=kind, query={"seed": 3, "variants": 2})
    assert len(case.call_and_validate().json()["images"]) == 2


def test_only_what_is_described_may_be_in_an_answer(document) -> None:
    schemas = document["components"]["schemas"]
    assert all(schemas[name]["additionalProperties"] is False for name in schemas if name.endswith("Answer"))
