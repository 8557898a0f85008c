"""The formats of exports, one module each; `recognise` has the list of them."""
