"""The tills of a shop, and the systems they belong to."""
