"""Everything that would make a run fail, found before it starts."""
