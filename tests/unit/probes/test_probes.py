"""Probes against real HTTP: saw this, saw nothing, could not look."""

import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from agents.facts import Reader
from agents.gather import keep
from agents.incident.catalogue import Replica, Scope, Service
from agents.incident.claims import FactName, Where
from agents.incident.evidence import Question, QuestionKind, Status, Window
from agents.incident.ids import IncidentId
from agents.probes.backend import Backend
from agents.probes.http_health import TIMEOUT, HttpHealth
from agents.probes.json_logs import JsonLogs
from agents.probes.openmetrics import OpenMetrics, Query, Selector
from agents.probes.otlp_traces import OtlpTraces
from agents.probes.prometheus import Prometheus, Template
from agents.probes.reach import Reach
from agents.spans import Span
from tests.unit.probes.loopback import serving

TLS = ssl.create_default_context()
BUDGET = timedelta(seconds=3)
SCOPE = Scope(environment="shop")
DEAD = "http://127.0.0.1:9"


def service(**replicas):
    return Service(
        name="checkout",
        environment="shop",
        replicas=tuple(Replica(name=name, **at) for name, at in replicas.items()),
    )


def quantity(name):
    return Question(kind=QuestionKind.QUANTITY, service="checkout", environment="shop", name=name)


def window():
    end = datetime.now(UTC)
    return Window(start=end - timedelta(minutes=10), end=end, recent=timedelta(seconds=4))


def look(probe, question, at):
    (answer,) = probe.look([(question, at)], window(), BUDGET, SCOPE)
    item, blob = keep(answer, IncidentId("I"), probe.name, window(), timedelta(0))
    return answer, Reader(item, blob)


def backend(at, timeout_s=0.3, base_url=""):
    return Backend(Reach("backend", SCOPE, [at]), timeout=timedelta(seconds=timeout_s), tls=TLS, base_url=base_url)


def metrics(name, at):
    return look(metrics_probe(at), quantity(name), at)


def metrics_probe(at, window_s=0.2):
    requests = Selector(metric="requests_total", match={})
    errors = Selector(metric="requests_total", match={"code": "5.."})
    return OpenMetrics(
        {
            "request_rate": Query(top=(requests,), bottom=(), labels={}, level=False),
            "server_error_ratio": Query(top=(errors,), bottom=(requests,), labels={}, level=False),
            "pool_waiters": Query(top=(Selector(metric="waiters", match={}),), bottom=(), labels={}, level=True),
        },
        window=timedelta(seconds=window_s),
        backend=backend(at),
    )


def counting(started_ago_s=100.0):
    calls = [0]

    def answer(_path, _body):
        calls[0] += 1
        total = 1000 + 10 * calls[0]
        text = (
            "# TYPE requests counter\n"
            f'requests_total{{code="200"}} {total}\nrequests_total{{code="503"}} {5 * calls[0]}\n'
            f"# TYPE waiters gauge\nwaiters 7\nprocess_start_time_seconds {time.time() - started_ago_s}\n"
        )
        return 200, "text/plain", text

    return answer


def test_counters_read_twice_give_rates_ratios_levels_and_a_baseline():
    with serving(counting()) as url:
        at = service(**{"checkout-1": {"metrics_url": url}})
        _, rate = metrics("request_rate", at)
        answer, ratio = metrics("server_error_ratio", at)
        _, level = metrics("pool_waiters", at)
    assert answer.status is Status.COMPLETE
    assert answer.alive is True
    assert ratio.value(FactName.RECENT, Where()) == pytest.approx(1 / 3)
    assert rate.value(FactName.BASELINE, Where()) == pytest.approx(10, rel=0.1)
    assert level.value(FactName.MAX, Where()) == 7
    assert answer.lineage.producers == ("shop/checkout/checkout-1",)


def test_one_replica_that_cannot_be_read_makes_it_partial_and_all_make_it_an_error():
    with serving(counting()) as url:
        some = service(**{"checkout-1": {"metrics_url": url}, "checkout-2": {"metrics_url": DEAD}})
        answer, _ = metrics("request_rate", some)
    assert answer.status is Status.PARTIAL
    assert "checkout-2" in answer.reason
    none = service(**{"checkout-2": {"metrics_url": DEAD}})
    answer, _ = metrics("request_rate", none)
    assert answer.status is Status.ERROR


def test_a_metric_nobody_has_is_empty_and_not_zero():
    with serving(lambda *_: (200, "text/plain", "other 1\n")) as url:
        answer, read = metrics("pool_waiters", service(**{"a": {"metrics_url": url}}))
    assert answer.status is Status.EMPTY
    assert read.value(FactName.MAX, Where()) is None


def test_a_counter_that_starts_again_counts_what_it_has_since():
    values = iter([1000, 4, 8, 12, 16, 20])

    def answer(*_):
        return 200, "text/plain", f'requests_total{{code="200"}} {next(values)}\n'

    with serving(answer) as url:
        _, read = metrics("request_rate", service(**{"a": {"metrics_url": url}}))
    rate = read.value(FactName.RECENT, Where())
    assert rate is not None
    assert rate > 0


def prometheus(url, at=None):
    templates = {
        "request_rate": Template(value='rate(x{service="$service"}[$window])'),
        "server_error_ratio": Template(numerator="e", denominator="r"),
    }
    api_ = backend(at or service(a={}), timeout_s=0.5, base_url=url)
    return Prometheus(templates, interval=timedelta(seconds=1), backend=api_)


def api(results, warnings=(), status=200):
    now = time.time()

    def answer(_path, body):
        query = parse_qs(body.decode())["query"][0]
        rows = [
            {"metric": {"instance": "checkout-1"}, "values": [[now - 1, v], [now, v]]}
            for v in results.get(query, [])
        ]
        data = {"status": "success", "data": {"result": rows}, "warnings": list(warnings)}
        return status, "application/json", json.dumps(data)

    return answer


def test_prometheus_answers_ratios_in_two_parts():
    with serving(api({"e": ["2"], "r": ["8"]})) as url:
        answer, read = look(prometheus(url), quantity("server_error_ratio"), service(a={}))
    assert answer.status is Status.COMPLETE
    assert read.value(FactName.RECENT, Where()) == pytest.approx(0.25)


def test_prometheus_warnings_make_it_partial_no_series_empty_and_errors_no_look():
    query = 'rate(x{service="checkout"}[4s])'
    with serving(api({query: ["3"]}, warnings=["cut"])) as url:
        assert look(prometheus(url), quantity("request_rate"), service(a={}))[0].status is Status.PARTIAL
    with serving(api({})) as url:
        assert look(prometheus(url), quantity("request_rate"), service(a={}))[0].status is Status.EMPTY
    with serving(api({}, status=503)) as url:
        assert look(prometheus(url), quantity("request_rate"), service(a={}))[0].status is Status.ERROR
    assert look(prometheus(DEAD), quantity("request_rate"), service(a={}))[0].status is Status.ERROR


def test_a_service_name_cannot_break_out_of_its_label():
    seen = []

    def answer(_path, body):
        seen.append(parse_qs(body.decode())["query"][0])
        return 200, "application/json", '{"status": "success", "data": {"result": []}}'

    evil = Service(name='a"} or up{x="', environment="shop")
    asked = Question(kind=QuestionKind.QUANTITY, service=evil.name, environment="shop", name="request_rate")
    with serving(answer) as url:
        look(prometheus(url, evil), asked, evil)
    assert seen == ['rate(x{service="a\\"} or up{x=\\""}[4s])']


def test_health_from_outside_tells_ok_failing_and_hanging_apart():
    def answer(path, _body):
        if path == "/hang":
            time.sleep(1.5)
        body = '{"schema_cache": {"behind": 2}}'
        return (500 if path == "/bad" else 200), "application/json", body

    with serving(answer) as url:
        at = service(
            ok={"health_url": url + "/ok"},
            bad={"health_url": url + "/bad"},
            hang={"health_url": url + "/hang"},
        )
        checks = backend(at, TIMEOUT.total_seconds())
        probe = HttpHealth({"schema_cache_behind": "schema_cache.behind"}, backend=checks)
        _, failing = look(probe, quantity("health_failing"), at)
        answer_, behind = look(probe, quantity("schema_cache_behind"), at)
    values = {n: failing.value(FactName.LAST, Where(instance=n)) for n in ("ok", "bad", "hang")}
    assert values == {"ok": 0, "bad": 1, "hang": 1}
    assert answer_.status is Status.PARTIAL
    assert behind.value(FactName.LAST, Where(instance="ok")) == 2


def test_a_number_in_a_health_body_with_more_digits_than_a_float_is_no_field_and_costs_no_other_reading():
    with serving(lambda *_: (200, "application/json", '{"behind": 1' + 400 * "0" + "}")) as url:
        at = service(a={"health_url": url})
        probe = HttpHealth({"schema_cache_behind": "behind"}, backend=backend(at, TIMEOUT.total_seconds()))
        asked = [(quantity(name), at) for name in ("health_ok", "schema_cache_behind")]
        ok, behind = probe.look(asked, window(), BUDGET, SCOPE)
    assert ok.status is Status.COMPLETE
    assert (behind.status, behind.reason) == (Status.ERROR, "no field behind (a: HTTP 200)")


def log_line(text, ago_s=1.0, **more):
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    return json.dumps({"ts": at.isoformat(), "level": "error", "msg": text} | more)


def logs(pattern, at):
    return look(JsonLogs(Reach("json_logs", SCOPE, [at])), log_question(pattern), at)


def log_question(pattern):
    return Question(kind=QuestionKind.LOG, service="checkout", environment="shop", name=pattern)


def test_log_lines_are_found_counted_and_quoted(tmp_path):
    file = tmp_path / "a.jsonl"
    lines = [log_line("pool timeout 1"), "not json", log_line("pool timeout 2"), log_line("old pool timeout", 900)]
    file.write_text("\n".join(lines) + '\n{"half": ')
    answer, read = logs("pool timeout", service(a={"log_file": str(file)}))
    assert answer.status is Status.COMPLETE
    assert read.value(FactName.COUNT, Where()) == 2
    assert read.quote() == "pool timeout"


def test_no_matching_line_in_a_living_log_is_a_zero_and_in_a_silent_one_is_not(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(log_line("all is well") + "\n")
    answer, _ = logs("pool timeout", service(a={"log_file": str(file)}))
    assert (answer.status, answer.alive) == (Status.EMPTY, True)
    file.write_text(log_line("long ago", 900) + "\n")
    answer, _ = logs("pool timeout", service(a={"log_file": str(file)}))
    assert (answer.status, answer.alive) == (Status.EMPTY, None)


def test_a_log_that_is_not_there_could_not_be_looked_at(tmp_path):
    at = service(a={"log_file": str(tmp_path / "none")})
    assert logs("x", at)[0].status is Status.ERROR


def test_more_lines_than_are_kept_are_truncated_and_long_ones_cut(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(log_line("pool timeout " + "x" * 100_000) for _ in range(300)))
    answer, read = logs("pool timeout", service(a={"log_file": str(file)}))
    assert answer.status is Status.TRUNCATED
    assert len(read.lines()) <= 200
    assert max(len(line["text"]) for line in read.lines()) <= 2000


def traces(read):
    return OtlpTraces(read, keep=timedelta(minutes=5), placed=lambda said: said or "shop")


def span(ago_s, *, client=True, failed=False, status=200, instance="checkout-1"):
    return Span(
        "checkout",
        instance,
        "",
        client,
        (time.time() - ago_s) * 1000,
        50.0,
        failed,
        status,
        "inventory",
        "inventory-1",
    )


def test_spans_become_one_point_a_second():
    spans = [span(a / 10, failed=a < 40) for a in range(15, 200)]
    probe = traces(lambda low, high: ([s for s in spans if low <= s.end_ms < high], False))
    answer, read = look(probe, quantity("upstream_failure_ratio"), service(a={}))
    assert answer.status is Status.COMPLETE
    recent = read.value(FactName.RECENT, Where(upstream="inventory"))
    assert recent is not None
    assert recent > 0.4
    assert read.value(FactName.BASELINE, Where(upstream="inventory")) == 0


def test_no_spans_is_nothing_seen_and_not_alive():
    probe = traces(lambda *_: ([], False))
    answer, _ = look(probe, quantity("request_rate"), service(a={}))
    assert (answer.status, answer.alive) == (Status.EMPTY, None)


def test_spans_that_were_cut_off_are_truncated():
    probe = traces(lambda low, high: ([span(2.5)], True))
    assert look(probe, quantity("upstream_failure_ratio"), service(a={}))[0].status is Status.TRUNCATED


def test_a_process_that_has_just_started_has_no_baseline():
    with serving(counting(started_ago_s=0.5)) as url:
        _, rate = metrics("request_rate", service(**{"a": {"metrics_url": url}}))
    assert rate.value(FactName.RECENT, Where()) is not None
    assert rate.value(FactName.BASELINE, Where()) is None


def test_seconds_without_a_request_are_zeros_of_the_rate():
    spans = [span(a, client=False) for a in (3.2, 8.2)]
    probe = traces(lambda low, high: ([s for s in spans if low <= s.end_ms < high], False))
    _, read = look(probe, quantity("request_rate"), service(a={}))
    values = [v for _, v in read.line(Where())]
    assert 0 in values
    assert max(values) == 1
