"""config/models.yaml: what a model's tokens cost, and where that was read. A model without a row has no price."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents import documents
from agents.deliberation.budgets import Price
from agents.incident.errors import BadInput

Dollars = Annotated[float, Field(ge=0, le=10_000)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    input_usd_per_million: Dollars
    output_usd_per_million: Dollars
    source: Annotated[str, Field(min_length=3)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    schema_: Annotated[int, Field(alias="schema", ge=1, le=1)]
    prices: dict[str, _Row] = {}


def price_of(model: str, path: Path) -> Price | None:
    """The price of ``provider:name``, by its own row or that of ``provider:*``; without a file there is none."""
    if not path.exists():
        return None
    try:
        rows = _File.model_validate(documents.read(path)).prices
    except ValidationError as error:
        raise BadInput(f"{path}: {error}") from error
    row = rows.get(model) or rows.get(f"{model.partition(':')[0]}:*")
    if row is None:
        return None
    return Price(input_usd=row.input_usd_per_million, output_usd=row.output_usd_per_million, source=row.source)
