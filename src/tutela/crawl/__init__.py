"""Crawl: reads sites under a legal order, politely, and drops every picture once it was hashed."""
