"""What people (and machines that read for them) get to see."""
