"""What remembers: a tamper-evident, append-only log. Imports nothing of ours."""
