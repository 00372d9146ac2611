"""Checkout, version 2: coupons got a path of their own, which loses a connection every time."""

from tests.playground.checkout import Checkout, Order


class CheckoutV2(Checkout):
    """The release with the leak."""

    def place(self, order: Order, price_cents: int) -> None:
        """Book an order; one with a coupon first looks the coupon up and returns early.

        The early return forgets `connection`: it is never released. That is the fault under study.
        """
        if order.coupon:
            connection = self.pool.acquire()
            reduced = self.discounted(order, connection)
            if reduced.discount:
                self.book(reduced, price_cents)
                return
            self.pool.release(connection)
        self.book(order, price_cents)
