"""What a sender that asks to be answered is answered."""

import base64
from collections.abc import Mapping

from agents.incident.errors import BadProof
from bot.receiver.proofs.proof import mac

MOST_CHARACTERS = 1024


def netdata(token: str, secret: str) -> Mapping[str, str]:
    """The body for Netdata Cloud's ``GET …?token=``: proof that we hold the secret it gave us."""
    if not token or len(token) > MOST_CHARACTERS:
        raise BadProof(f"a challenge of 1 to {MOST_CHARACTERS} characters is needed")
    if not secret:
        raise BadProof("there is no live secret to answer with")
    return {"response_token": "sha256=" + base64.b64encode(mac(secret, token.encode())).decode()}
