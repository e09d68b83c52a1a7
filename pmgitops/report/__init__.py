"""What a flow came to, for a person or a program. The exit code never depends on the format."""
