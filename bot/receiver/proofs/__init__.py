"""Who sent it: every scheme by its name, as a pure function over headers, the bytes as received, secrets and now.

``SCHEMES["github"].verify(headers, body, secrets, now)`` is None when proven and a BadProof that says why
when not. ``prove`` raises it instead, and says which of the live secrets it was. Header names are lower case.
"""

from collections.abc import Mapping
from datetime import datetime

from agents.incident.errors import BadInput, BadProof
from bot.receiver.proofs import netlify, routing_key, signatures, timed, tokens
from bot.receiver.proofs.proof import ENTRA, GOOGLE, NO_SECRET, SNS, Scheme
from bot.receiver.proofs.tokens import URL_TOKEN

_ALL = (
    Scheme(
        name="pagerduty_v3",
        title="PagerDuty webhooks v3",
        verify=signatures.pagerduty_v3,
        delivery_header="x-webhook-id",
    ),
    Scheme(name="grafana", title="Grafana Alerting, body signed", verify=signatures.grafana),
    Scheme(name="github", title="GitHub", verify=signatures.github, delivery_header="x-github-delivery"),
    Scheme(
        name="gitlab_token",
        title="GitLab, secret token",
        verify=tokens.gitlab_token,
        delivery_header="x-gitlab-event-uuid",
    ),
    Scheme(
        name="gitlab_signed",
        title="GitLab, signing token",
        verify=timed.standard_webhooks,
        timestamped=True,
        delivery_header="webhook-id",
    ),
    Scheme(name="sentry", title="Sentry", verify=signatures.sentry, delivery_header="request-id"),
    Scheme(name="rootly", title="Rootly", verify=timed.rootly, timestamped=True),
    Scheme(name="firehydrant", title="FireHydrant", verify=signatures.firehydrant),
    Scheme(
        name="standard_webhooks",
        title="Standard Webhooks, Svix, incident.io",
        verify=timed.standard_webhooks,
        timestamped=True,
        delivery_header="webhook-id",
    ),
    Scheme(name="vercel", title="Vercel", verify=signatures.vercel),
    Scheme(name="netlify", title="Netlify", verify=netlify.verify),
    Scheme(name="flux", title="Flux, generic-hmac", verify=signatures.flux),
    Scheme(name="launchdarkly", title="LaunchDarkly", verify=signatures.launchdarkly),
    Scheme(name="circleci", title="CircleCI", verify=signatures.circleci),
    Scheme(name="slack", title="Slack", verify=timed.slack, timestamped=True),
    Scheme(name="telegram", title="Telegram", verify=tokens.telegram),
    Scheme(name="statuscake", title="StatusCake, token in the form", verify=tokens.statuscake),
    Scheme(name=routing_key.NAME, title="PagerDuty Events v2, routing_key in the body", verify=routing_key.verify),
    Scheme(name="bearer", title="Authorization: Bearer", verify=tokens.bearer),
    Scheme(name="basic", title="Authorization: Basic", verify=tokens.basic),
    Scheme(name="url", title="A token in the URL", verify=tokens.url),
)
SCHEMES: Mapping[str, Scheme] = {scheme.name: scheme for scheme in _ALL}
CONFIGURED = ("header", "grafana", "grafana_timed")
"""What ``scheme`` makes from names of headers that the operator chose."""
SELF_PROVING = (SNS, GOOGLE, ENTRA)
"""What senders sign with keys of their own: no secret is shared, and ``verify`` may raise Transient.

Made by ``sns.scheme``, ``oidc.google`` and ``oidc.entra`` from what a source allows and from where keys are read.
"""


def scheme(name: str, *, header: str = "", timestamp_header: str = "") -> Scheme:
    """The scheme *name*, with the operator's names of headers where it has any; BadInput when there is none."""
    for given in (header, timestamp_header):
        if given and not signatures.is_header_name(given):
            raise BadInput(f"{given[:60]!r} cannot be the name of a header")
    match name:
        case "header" if header:
            return Scheme(name=name, title=f"A token in {header}", verify=tokens.in_header(header))
        case "header":
            raise BadInput("scheme header needs the name of the header")
        case "grafana" | "grafana_timed" if timestamp_header:
            checked = timed.grafana_timed(timestamp_header, header or "X-Grafana-Alerting-Signature")
            title = "Grafana Alerting, time and body signed"
            return Scheme(name="grafana_timed", title=title, verify=checked, timestamped=True)
        case "grafana_timed":
            raise BadInput("scheme grafana_timed needs the name of the timestamp header configured in Grafana")
        case "grafana" if header:
            return Scheme(name=name, title=SCHEMES[name].title, verify=signatures.body(header))
        case _ if name in SELF_PROVING:
            raise BadInput(
                f"scheme {name!r} is made by sns.scheme, oidc.google or oidc.entra from what is allowed"
            )
        case _ if header or timestamp_header:
            raise BadInput(f"scheme {name!r} takes no name of a header; {', '.join(CONFIGURED)} do")
        case _ if name in SCHEMES:
            return SCHEMES[name]
    known = ", ".join(sorted({*SCHEMES, *CONFIGURED, *SELF_PROVING}))
    raise BadInput(f"no scheme {name!r} is known; known: {known}")


def prove(used: Scheme, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str], now: datetime) -> str:
    """The name of the secret that proves this delivery; BadProof when none does. All are tried.

    Where no secret is shared it is the scheme's own name; then Transient says that keys could not be read now.
    """
    if used.name in SELF_PROVING:
        unproven = used.verify(headers, body, (), now)
        if unproven is not None:
            raise unproven
        return used.name
    found = {name: used.verify(headers, body, (secret,), now) for name, secret in secrets.items()}
    if not found:
        raise BadProof(NO_SECRET)
    proven = [name for name, refused in found.items() if refused is None]
    if not proven:
        raise next(refused for refused in found.values() if refused is not None)
    return proven[0]


__all__ = ["CONFIGURED", "SCHEMES", "SELF_PROVING", "URL_TOKEN", "Scheme", "prove", "scheme"]
