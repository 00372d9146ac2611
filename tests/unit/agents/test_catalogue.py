"""The catalogue: what a sender means, who relies on whom, and what may be asked from where."""

from dataclasses import replace

import pytest

from agents.incident.catalogue import Catalogue, Scope, Service


def service(name, environment="production", **more):
    return Service(name=name, environment=environment, **more)


CHECKOUT = service("checkout", aliases=("checkout-api", "Shop/Checkout"), repositories=("Example/Checkout",))
STAGED = replace(CHECKOUT, environment="staging")
LEDGER = service("ledger", aliases=("books",), repositories=("example/ledger",))
KNOWN = Catalogue(
    services=(CHECKOUT, STAGED, LEDGER), environments={"production": ("prod", "Live"), "development": ("dev",)}
)


@pytest.mark.parametrize("name", ["checkout", "CHECKOUT", "checkout-api", " Checkout-API ", "shop/checkout"])
@pytest.mark.parametrize("environment", ["production", "Production", "prod", "LIVE"])
def test_a_service_is_meant_by_its_names_in_an_environment_by_its_names(name, environment):
    assert KNOWN.place(name, environment) is CHECKOUT


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("ghost", "production"),
        ("ledger", "staging"),
        ("checkout", "moon"),
        ("checkout", ""),
        (None, "prod"),
        ("", None),
    ],
)
def test_what_is_not_known_there_is_placed_nowhere(name, environment):
    assert KNOWN.place(name, environment) is None


def test_nothing_is_chosen_among_several():
    assert KNOWN.place("checkout", None) is None
    assert KNOWN.place("checkout-api", None) is None
    assert KNOWN.place("books", None) is LEDGER
    two = Catalogue(services=(service("a", aliases=("x",)), service("b", aliases=("X",)), service("X", "staging")))
    assert two.place("x", "production") is None
    assert two.place("x", None) is None


def test_a_services_own_name_counts_before_anothers_alias_or_case():
    two = Catalogue(services=(service("api"), service("API"), service("b", aliases=("Api",))))
    assert two.place("api", "production") == service("api")
    assert two.place("API", "production") == service("API")
    assert two.place("aPi", "production") is None


def test_an_exact_name_is_still_found_as_before():
    assert KNOWN.find("ledger", None) is LEDGER
    assert KNOWN.find("checkout", "staging") is STAGED
    assert KNOWN.find("checkout", None) is None
    assert KNOWN.find("books", "production") is None
    assert KNOWN.find("ledger", "prod") is None


def test_a_repository_is_a_service_of_the_environment_it_was_deployed_to():
    assert KNOWN.by_repository("example/checkout", "prod") is CHECKOUT
    assert KNOWN.by_repository("example/checkout", "staging") is STAGED
    assert KNOWN.by_repository("example/checkout", None) is None
    assert KNOWN.by_repository("EXAMPLE/ledger", None) is LEDGER
    assert KNOWN.by_repository("example/ledger", "staging") is None
    assert KNOWN.by_repository("example/ledger", "moon") is None
    assert KNOWN.by_repository("ledger", "production") is None
    assert KNOWN.by_repository(None, None) is None


def test_environments_are_known_by_every_name_and_never_guessed():
    names = {raw: KNOWN.environment_named(raw) for raw in ("PROD", "live", "staging", "DEV", "moon", "", None)}
    assert names == {
        "PROD": "production",
        "live": "production",
        "staging": "staging",
        "DEV": "development",
        "moon": None,
        "": None,
        None: None,
    }
    torn = Catalogue(services=(service("a", "Prod"), service("a", "prod")))
    assert torn.environment_named("prod") == "prod"
    assert torn.environment_named("PROD") is None


def test_calls_in_a_circle_end():
    a, b, c = service("a", calls=("b",), edge=True), service("b", calls=("c",)), service("c", calls=("a", "c"))
    round_ = Catalogue(services=(a, b, c, service("d", calls=("d",)), service("a", "staging", edge=True)))
    assert round_.below(a) == (a, b, c)
    assert round_.below(c) == (c, a, b)
    assert round_.edges(c) == (a,)
    assert round_.callers(a) == (c,)
    assert [s.name for s in round_.below(service("d", calls=("d",)))] == ["d"]


def test_what_is_reached_two_ways_is_reached_once_nearest_first():
    a, b, c = service("a", calls=("b", "c")), service("b", calls=("c",)), service("c")
    assert Catalogue(services=(c, b, a)).below(a) == (a, c, b)


PLAIN, SHOP, BANK = (Scope(environment="production", project=p) for p in (None, "shop", "bank"))
STAGING = Scope(environment="staging")


@pytest.mark.parametrize(
    ("asker", "admitted"),
    [(PLAIN, {PLAIN}), (SHOP, {PLAIN, SHOP}), (BANK, {PLAIN, BANK}), (STAGING, {STAGING})],
    ids=["no project", "shop", "bank", "staging"],
)
def test_a_scope_admits_itself_and_what_its_environment_shares(asker, admitted):
    assert {s for s in (PLAIN, SHOP, BANK, STAGING) if asker.admits(s)} == admitted


def test_an_incident_has_the_scope_of_its_service_and_of_an_unknown_one_no_project():
    known = Catalogue(services=(service("checkout", project="shop"),))
    assert known.scope_of("checkout", None) == SHOP
    assert known.scope_of("ghost", "production") == PLAIN
    assert not any(known.scope_of(None, None).admits(s) for s in (PLAIN, SHOP, STAGING))


def test_a_backend_holds_those_who_name_it_or_name_none_of_what_may_be_asked_there():
    free, named, other = service("free"), service("named", backends=("two",)), service("other", backends=("one",))
    shop, bank = service("shop", project="shop"), service("bank", project="bank")
    known = Catalogue(
        services=(free, named, other, shop, bank, service("free", "staging"), service("no", backends=()))
    )
    assert known.held_by("two", PLAIN) == (free, named, shop, bank)
    assert known.held_by("two", SHOP) == (shop,)
