"""Who may sign in to the bakery platform, and from where."""
