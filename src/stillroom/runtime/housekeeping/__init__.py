"""What a process owes the machine: temporary places, disk space, and cleaning up whatever way it ends."""
