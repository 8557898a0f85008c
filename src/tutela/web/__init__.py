"""Pages for people: parse, call the rooms below, render. Nothing is decided here."""
