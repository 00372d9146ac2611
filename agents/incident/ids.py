"""Names of rows: short, sortable by time, safe in a queue, a URL and a button."""

import os
import time
from typing import NewType

IncidentId = NewType("IncidentId", str)
EvidenceId = NewType("EvidenceId", str)
FindingId = NewType("FindingId", str)
ProposalId = NewType("ProposalId", str)
ApprovalId = NewType("ApprovalId", str)
RunId = NewType("RunId", str)
VerificationId = NewType("VerificationId", str)
PersonId = NewType("PersonId", str)

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(prefix: str = "") -> str:
    """26 characters that sort by the time they were made (48 bits of ms, 80 random bits), after *prefix*."""
    number = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10))
    letters = "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -5, -5))
    return f"{prefix}_{letters}" if prefix else letters
