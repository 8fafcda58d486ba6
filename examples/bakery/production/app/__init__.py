"""What is baked when, on which line, and how it came out."""
