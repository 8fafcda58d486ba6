"""How fast it is: the main job against plain loops over Alembic's command line. `make bench` runs it; no test does."""
