"""The ticket bridge: a gate that reads the ticket, and notes that tell it what happens to the access."""
