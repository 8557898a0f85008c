"""Observations: sites, pages, threads, posts and accounts as they were read, and what they show."""
