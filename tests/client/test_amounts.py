"""Amounts of money in both languages."""

from decimal import Decimal

import pytest

from client.words import amounts


@pytest.mark.parametrize(
    ("usd", "cost", "price"),
    [
        ("0", "$0.00", "$0.00"),
        ("1234.567", "$1,234.57", "$1,234.57"),
        ("0.125", "$0.12", "$0.125"),
        ("0.0164", "$0.016", "$0.0164"),
        ("0.000123", "$0.00012", "$0.0001"),
    ],
)
def test_a_cost_has_two_digits_that_count_and_a_price_has_four_places(
    usd: str, cost: str, price: str
) -> None:
    assert amounts.dollars(Decimal(usd), "en") == cost
    assert amounts.price(Decimal(usd), "en") == price
    german = f"{price[1:].translate(str.maketrans(',.', '.,'))} $"
    assert amounts.price(Decimal(usd), "de") == german
