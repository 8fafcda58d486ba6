"""Who sells flour to the bakeries, and how well they deliver."""
