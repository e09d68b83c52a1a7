"""The ledger: what was intended, sent and observed, append-only and hash-chained, on a branch of the repository."""
