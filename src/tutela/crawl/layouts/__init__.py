"""Layouts of pages: how forums, imageboards, logs and pastes lay out what people say."""
