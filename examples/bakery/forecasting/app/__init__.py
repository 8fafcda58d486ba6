"""How much of what will be sold tomorrow, and how right yesterday's answer was."""
