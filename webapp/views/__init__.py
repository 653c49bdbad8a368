"""Pieces of pages: records in, HTML out."""
