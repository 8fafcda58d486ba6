"""A history made from models: drafted, mended, judged, proven, compared with what it replaces."""
