"""The ledger of migration runs: a schema `stillroom` beside the service's own tables, written by `migrate` alone."""
