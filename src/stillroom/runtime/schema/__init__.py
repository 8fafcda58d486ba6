"""What a database holds, read from its catalog: objects, owners, rows, and the SQL that makes or drops them."""
