"""The steps that turn a machine into a node, one module a step."""
