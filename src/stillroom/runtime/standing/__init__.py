"""Where a service's database stands: what it holds of this service, and at which revisions."""
