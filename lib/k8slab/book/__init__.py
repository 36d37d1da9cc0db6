"""The machinery behind the chapters: order, execution, rules; no chapter imports it."""
