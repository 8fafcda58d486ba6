"""The training of demand models, one product of one bakery at a time."""
