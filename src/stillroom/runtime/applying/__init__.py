"""A service's history brought to its database: upgrade, adoption, recorded SQL, status."""
