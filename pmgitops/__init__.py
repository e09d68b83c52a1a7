"""pmgitops: cloud access as reviewed YAML, delivered exactly once and linked to its ServiceNow ticket."""

__version__ = "0.1.0"
