"""Executes, checks, proves and publishes the book; no chapter imports it."""
