"""How things are baked: recipes, their versions, and what goes into them."""
