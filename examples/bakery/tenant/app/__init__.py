"""Bakeries, their shops, their people and what they pay for."""
