"""services.yaml, read, checked and resolved into immutable facts."""
