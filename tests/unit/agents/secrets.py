"""A secret of every shape, drawn so that no two tests plant the same, and the texts in which such things leak."""

import base64
import json
import random
import string
from collections.abc import Callable, Mapping
from urllib.parse import quote

LETTERS = string.ascii_letters + string.digits


def drawn(r: random.Random, n: int, alphabet: str = LETTERS) -> str:
    """*n* characters with at least one digit and one small letter among them, where the alphabet has them."""
    while True:
        text = "".join(r.choices(alphabet, k=n))
        if any(c.isdigit() for c in text) and (any(c.islower() for c in text) or alphabet.isupper()):
            return text


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _jwt(r: random.Random) -> str:
    return f"{_b64(json.dumps({'alg': 'HS256'}))}.{_b64(json.dumps({'sub': drawn(r, 12)}))}.{drawn(r, 43)}"


SHAPED: Mapping[str, Callable[[random.Random], str]] = {
    "aws_key": lambda r: "AKIA" + drawn(r, 16, string.ascii_uppercase + "234567"),
    "github_token": lambda r: "ghp_" + drawn(r, 36),
    "gitlab_token": lambda r: "glpat-" + drawn(r, 20),
    "slack_token": lambda r: f"xoxb-{r.randint(10**11, 10**12 - 1)}-{drawn(r, 24)}",
    "google_key": lambda r: "AIza" + drawn(r, 35),
    "google_token": lambda r: "ya29." + drawn(r, 60),
    "stripe_key": lambda r: "sk_live_" + drawn(r, 24),
    "openai_key": lambda r: "sk-proj-" + drawn(r, 48),
    "anthropic_key": lambda r: "sk-ant-api03-" + drawn(r, 48),
    "jwt": _jwt,
    "telegram_token": lambda r: f"{r.randint(10**9, 10**10 - 1)}:AA{drawn(r, 33)}",
    "npm_token": lambda r: "npm_" + drawn(r, 36),
    "sendgrid_key": lambda r: f"SG.{drawn(r, 22)}.{drawn(r, 43)}",
    "vault_token": lambda r: "hvs." + drawn(r, 40),
    "grafana_token": lambda r: "glsa_" + drawn(r, 32),
    "newrelic_key": lambda r: "NRAK-" + drawn(r, 27, string.ascii_uppercase + string.digits),
    "huggingface_token": lambda r: "hf_" + drawn(r, 34),
    "shopify_token": lambda r: "shpat_" + drawn(r, 32, "0123456789abcdef"),
    "databricks_token": lambda r: "dapi" + drawn(r, 32, "0123456789abcdef"),
    "supabase_token": lambda r: "sbp_" + drawn(r, 40, "0123456789abcdef"),
    "pulumi_token": lambda r: "pul-" + drawn(r, 40, "0123456789abcdef"),
    "mailgun_key": lambda r: "key-" + drawn(r, 32, "0123456789abcdef"),
    "entropy": lambda r: drawn(r, 44) + "9xQ2",
}
"""By the kind that is to be named. Each stands for itself, without a name beside it."""

PLACES: Mapping[str, Callable[[str], str]] = {
    "alone": lambda s: s,
    "in a sentence": lambda s: f"cannot sign in with {s}, giving up",
    "in quotes": lambda s: f"refused '{s}'.",
    "in JSON": lambda s: json.dumps({"msg": "boot", "cfg": {"x": s}}),
    "in JSON in JSON": lambda s: json.dumps({"line": json.dumps({"x": s})}),
    "in a query": lambda s: f"GET https://api.example/v1/x?a=1&k={s}&b=2 200",
    "in a header": lambda s: f"X-Api: {s}\r\nAccept: */*",
    "as a bearer": lambda s: f"curl -H 'Authorization: Bearer {s}' https://api.example",
    "in a trace": lambda s: f'  File "a.py", line 1, in f\n    raise Denied("{s}")\nDenied: {s}\n',
    "assigned": lambda s: f"export SERVICE_TOKEN={s}\n",
    "in an address": lambda s: f"fetching https://deploy:{quote(s, safe='')}@forge.example/team/x.git",
    "in a list": lambda s: f"args=[--verbose, {s}, --dry-run]",
}

NAMED = (
    "password={}",
    "db_password: {}",
    "PGPASSWORD='{}'",
    'dbPassword="{}"',
    '{{"password": "{}"}}',
    '{{\\"client_secret\\": \\"{}\\"}}',
    "{{'api_key': '{}'}}",
    "spring.datasource.password={}",
    "x-api-key: {}",
    "Authorization: Bearer {}",
    "Proxy-Authorization: Basic {}",
    "map[Authorization:[Bearer {}] Accept:[*/*]]",
    "Cookie: theme=dark; session={}; lang=en",
    "Set-Cookie: sid={}; Path=/; HttpOnly",
    "--db-password {} --verbose",
    "--token={}",
    "<password>{}</password>",
    "ALTER USER app PASSWORD '{}'",
    "CREATE USER app IDENTIFIED BY '{}'",
    "Server=db;User Id=app;Password={};Encrypt=true",
    "https://x.example/cb?access_token={}&state=1",
    "https://x.example/cb?redirect=%2Fa%3Fpassword%3D{}",
    "SENTRY_DSN={}",
    "redis://:{}@cache:6379/0",
    "amqp://app:{}@queue:5672/%2F",
    "jdbc:postgresql://db/x?user=app&password={}",
    "aws_secret_access_key = {}",
    "signing-key => {}",
    "mysql -uroot -p{} -h db",
    "curl -s -u admin:{} https://x.example/v1",
    "sshpass -p {} ssh db",
    "redis-cli -h cache -a {} ping",
)
"""Where a secret without any shape is known by what stands before it; ``{}`` is its place."""
