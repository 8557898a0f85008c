"""Federation: installations of several nations that ask, vote and share lists with one another."""
