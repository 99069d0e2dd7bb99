"""Virtual ANSI meters: plain state shaped by a profile; tables and procedures show it, ports carry it."""
