"""A look-alike speaks against a fault where the signature looks, as a whole, and only if it is a hard one."""

from dataclasses import replace

from agents.gates.refuting import firing
from agents.incident.claims import FactName, Where
from agents.signatures import model
from agents.signatures.model import Predicate, Refuter
from tests.unit.agents import world
from tests.unit.agents.test_gates import PATTERN, court
from tests.unit.agents.world import CHECKOUT, GATEWAY, STALE, Store, line


def fired(store: Store, entity: str, refuter: str, **changes: object) -> list[tuple[str, Where, float]]:
    signature = refuter.partition(".")[0]
    found = firing(signature, entity, refuter, court(store, **changes))
    return [(s.predicate.quantity, s.where, s.value) for s in found]


def full() -> Store:
    store = Store()
    store.quantity(
        CHECKOUT, "database_connections_used_ratio", {"checkout-1": line(0.97), "checkout-2": line(0.2)}
    )
    store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)})
    store.log(CHECKOUT, PATTERN, STALE)
    return store


def known(change: Refuter) -> dict[str, object]:
    """The library with F11 refuted by *change* alone."""
    f11 = next(s for s in world.SIGNATURES if s.id == "F11")
    return {"signatures": (replace(f11, refuters=(change,)),)}


X3 = next(r for s in world.SIGNATURES for r in s.refuters if r.id == "F11.x3")
assert isinstance(X3.condition, Predicate)
WAITS = replace(X3.condition, quantity="pool_waiters", value=1.0)
NEVER = replace(WAITS, value=100.0)
LOGGED = replace(X3.condition, quantity="", log=PATTERN, fact=FactName.COUNT, value=1.0)


def test_a_fault_of_a_service_is_refuted_by_all_its_processes_together():
    assert fired(full(), CHECKOUT.id, "F11.x3") == [("database_connections_used_ratio", Where(), 0.97)]


def test_a_fault_of_a_service_is_not_on_a_process_of_it():
    assert fired(full(), f"{CHECKOUT.id}/checkout-1", "F11.x3") == []


def test_a_fault_at_the_edge_is_refuted_at_the_edge_alone():
    store = Store()
    for service in (GATEWAY, CHECKOUT):
        store.quantity(service, "calls_per_request", {f"{service.name}-1": line(3.0, 1.0, per=16.0)})
    assert fired(store, GATEWAY.id, "F41.x1") == [("calls_per_request", Where(), 3.0)]
    assert fired(store, CHECKOUT.id, "F41.x1") == []
    assert fired(store, f"{GATEWAY.id}/gateway-1", "F41.x1") == []


def test_a_look_alike_that_only_weighs_rules_nothing_out():
    assert fired(full(), CHECKOUT.id, "F11.x3", **known(X3)) != []
    assert fired(full(), CHECKOUT.id, "F11.x3", **known(replace(X3, hard=False))) == []


def test_without_the_services_nothing_is_ruled_out():
    assert fired(full(), CHECKOUT.id, "F11.x3", catalogue=None) == []


def test_of_several_conditions_the_true_numbers_are_cited():
    either = replace(X3, condition=model.Any(parts=(NEVER, WAITS, LOGGED)))
    assert fired(full(), CHECKOUT.id, "F11.x3", **known(either)) == [("pool_waiters", Where(), 7.0)]
    both = replace(X3, condition=model.All(parts=(NEVER, WAITS)))
    assert fired(full(), CHECKOUT.id, "F11.x3", **known(both)) == []


def test_what_only_the_log_says_is_no_number_to_cite():
    logged = replace(X3, condition=model.Any(parts=(NEVER, LOGGED)))
    assert fired(full(), CHECKOUT.id, "F11.x3", **known(logged)) == []
