"""Alerts of all services: grouped, ranked, and brought to somebody."""
