"""The PostgreSQL that comes in a wheel: started when needed, shared, stopped with its last user."""
