"""Orders of cafes, hotels and people at the counter."""
