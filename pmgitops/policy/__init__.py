"""Rules as files: what they see (facts), how they judge (engine), the set of them (bundle) and their tests (cases)."""
