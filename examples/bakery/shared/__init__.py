"""What the services of the bakery share: Stillroom's runtime, under the names that they have always imported."""
