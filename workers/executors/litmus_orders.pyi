ORDERS: tuple[type, ...]
