"""What an answer says beside its numbers: which system, over how long, how late, how much at most."""

from dataclasses import replace
from datetime import timedelta

from agents.incident.evidence import Status
from agents.probes.http_health import HttpHealth
from agents.probes.json_logs import MAX_LINES, JsonLogs
from agents.probes.prometheus import Prometheus, Template
from agents.probes.reach import Reach
from tests.unit.probes.loopback import serving
from tests.unit.probes.test_probes import (
    SCOPE,
    api,
    backend,
    counting,
    log_line,
    log_question,
    logs,
    look,
    metrics,
    metrics_probe,
    prometheus,
    quantity,
    service,
    span,
    traces,
)

NONE = timedelta(0)
HERE = service(a={})


def test_two_prometheus_servers_are_two_backends_and_one_under_two_spellings_is_one():
    with serving(api({})) as one, serving(api({})) as other:
        first, again, second = (
            look(prometheus(url), quantity("request_rate"), HERE)[1].evidence.backend_fp
            for url in (one, one + "/", other)
        )
    assert first == again != second


def test_a_prometheus_that_does_not_answer_is_the_same_backend_as_when_it_does():
    well = True

    def answer(path, body):
        return api({}, status=200 if well else 503)(path, body)

    with serving(answer) as url:
        up, _ = look(prometheus(url), quantity("request_rate"), HERE)
        well = False
        down, _ = look(prometheus(url), quantity("request_rate"), HERE)
    assert (up.status, down.status) == (Status.EMPTY, Status.ERROR)
    assert up.backend == down.backend != ""


def test_a_query_over_a_rate_window_says_how_long_it_is_and_one_without_says_none():
    with serving(api({'rate(x{service="checkout"}[4s])': ["3"], "e": ["2"], "r": ["8"]})) as url:
        assert look(prometheus(url), quantity("request_rate"), HERE)[0].rate_window == timedelta(seconds=4)
        assert look(prometheus(url), quantity("server_error_ratio"), HERE)[0].rate_window == NONE


def test_one_windowed_part_of_a_ratio_is_enough():
    templates = {"query_time": Template(numerator="e", denominator="rate(r[$window])")}
    with serving(api({"e": ["2"], "rate(r[20s])": ["8"]})) as url:
        probe = Prometheus(templates, interval=timedelta(seconds=5), backend=backend(HERE, 0.5, url))
        assert look(probe, quantity("query_time"), HERE)[0].rate_window == timedelta(seconds=20)


def test_growth_between_two_scrapes_is_taken_over_one_step_and_a_level_over_none():
    with serving(counting()) as url:
        at = service(**{"checkout-1": {"metrics_url": url}})
        growth, _ = metrics("request_rate", at)
        level, _ = metrics("pool_waiters", at)
    assert growth.rate_window == growth.step > NONE
    assert level.rate_window == NONE
    assert growth.backend == level.backend != ""


def test_spans_say_that_they_come_a_second_late_and_that_a_point_is_a_second():
    answer, read = look(traces(lambda *_: ([span(2.5)], True)), quantity("upstream_failure_ratio"), HERE)
    assert (answer.ingest_lag, answer.rate_window) == (timedelta(seconds=1), timedelta(seconds=1))
    assert read.evidence.completeness.limit_hit


def test_a_log_answer_says_its_limit_and_whether_that_was_met(tmp_path):
    file = tmp_path / "a.jsonl"
    at = service(a={"log_file": str(file)})
    met = {}
    for lines in (MAX_LINES, MAX_LINES + 1):
        file.write_text("\n".join(log_line("pool timeout") for _ in range(lines)))
        answer, read = logs("pool timeout", at)
        assert read.evidence.limit == MAX_LINES
        met[lines] = answer.limit_hit
    assert met == {MAX_LINES: False, MAX_LINES + 1: True}


def test_two_services_that_are_asked_themselves_are_two_backends(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(log_line("all is well"))
    found = {}
    with serving(lambda *_: (200, "text/plain", "ok")) as health, serving(counting()) as numbers:
        at = service(a={"health_url": health, "metrics_url": numbers, "log_file": str(file)})
        for one in (at, replace(at, name="orders")):
            for probe, question in (
                (HttpHealth({}, backend=backend(one)), quantity("health_ok")),
                (metrics_probe(one), quantity("pool_waiters")),
                (JsonLogs(Reach("json_logs", SCOPE, [one])), log_question("well")),
            ):
                answer, _ = look(probe, replace(question, service=one.name), one)
                found[probe.name, one.name] = answer.backend
    assert len(found) == len(set(found.values())) == 6
    assert "" not in found.values()
