"""What a model costs, as far as somebody wrote it down."""

from pathlib import Path

import pytest

from agents.deliberation.budgets import Price
from agents.incident.errors import BadInput
from bot.prices import price_of

SHIPPED = Path(__file__).parents[3] / "config" / "models.yaml"


def test_a_model_on_ones_own_machine_costs_nothing():
    price = price_of("ollama:llama3.2", SHIPPED)
    assert price is not None
    assert (price.input_usd, price.output_usd) == (0, 0)


def test_a_model_nobody_wrote_down_has_no_price(tmp_path):
    assert price_of("openai:some-model", SHIPPED) is None
    assert price_of("openai:some-model", tmp_path / "none.yaml") is None


def test_a_models_own_row_comes_before_its_providers(tmp_path):
    row = "{input_usd_per_million: %s, output_usd_per_million: 2, source: the list}"
    path = tmp_path / "models.yaml"
    path.write_text(f'schema: 1\nprices:\n  "a:*": {row % 9}\n  "a:b": {row % 1}\n')
    assert price_of("a:b", path) == Price(input_usd=1, output_usd=2, source="the list")


@pytest.mark.parametrize(
    "row",
    [
        "{input_usd_per_million: -1, output_usd_per_million: 2, source: the list}",
        "{input_usd_per_million: 1, output_usd_per_million: 2}",
        "{input_usd_per_million: 1, output_usd_per_million: 2, source: the list, note: x}",
    ],
)
def test_a_row_that_does_not_hold_together_is_refused_with_the_files_name(tmp_path, row):
    path = tmp_path / "models.yaml"
    path.write_text(f'schema: 1\nprices:\n  "a:b": {row}\n')
    with pytest.raises(BadInput, match=r"models\.yaml"):
        price_of("a:b", path)
