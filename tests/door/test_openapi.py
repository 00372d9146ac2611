"""The document of the receiver's machine interface: true to the routes, whole, served as it stands."""

from collections.abc import Iterator

import pytest
import yaml
from starlette.routing import Route

from bot.journal.journal import Journal, open_engine
from bot.receiver.app import OPENAPI, create
from tests.door.test_confirmations import Sns, rim, serving


@pytest.fixture(name="book")
def _book(sqlite_url: str) -> Iterator[Journal]:
    journal = Journal(open_engine(sqlite_url))
    yield journal
    journal.close()


def test_the_document_names_every_route_and_method_and_no_other(book):
    document = yaml.safe_load(OPENAPI.read_text())
    served = {
        (route.path, method.lower())
        for route in create(rim(book, Sns().confirm)).routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    named = {
        (path, method)
        for path, about in document["paths"].items()
        for method in about
        if method in {"get", "put", "post", "delete", "patch"}
    }
    assert named == served


def test_the_document_is_served_as_it_stands_beside_the_code(book):
    with serving(book, Sns()) as client:
        answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == yaml.safe_load(OPENAPI.read_text())
    assert answer.json()["openapi"].startswith("3.1")


def test_every_answer_of_the_door_is_documented_and_429_is_none():
    paths = yaml.safe_load(OPENAPI.read_text())["paths"]
    post = paths["/v1/webhooks/{source}"]["post"]["responses"]
    assert set(post) == {"202", "400", "401", "404", "408", "413", "422", "503"}
    operations = [about for path in paths.values() for about in path.values() if "responses" in about]
    assert "429" not in {code for about in operations for code in about["responses"]}


def test_every_reference_of_the_document_leads_somewhere():
    document = yaml.safe_load(OPENAPI.read_text())

    def references(part: object) -> Iterator[str]:
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    for reference in set(references(document)):
        at = document
        for name in reference.removeprefix("#/").split("/"):
            assert name in at, reference
            at = at[name]
