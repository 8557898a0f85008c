"""Subscribing to servers of others: NCMEC, StopNCII and ThreatExchange, kept in the library."""
