"""What the world outside does to the sale of bread: weather, traffic, feasts."""
