"""Bodies of requests: received within a budget, unpacked, and decoded at the cost that the limits allow."""
