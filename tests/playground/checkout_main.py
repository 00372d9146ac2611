"""Starts a checkout replica of the version the command line names."""

from tests.playground import options
from tests.playground.checkout import Checkout
from tests.playground.checkout_v2 import CheckoutV2

VERSIONS: dict[str, type[Checkout]] = {"1": Checkout, "2": CheckoutV2}

if __name__ == "__main__":
    given = options.parse()
    VERSIONS[given.version](given).run()
