"""Messages to people: by e-mail, by SMS, by push, and in the app."""
