"""How a database is reached: URLs, drivers, diagnosis of failures, and the guard that keeps a process to one database."""
