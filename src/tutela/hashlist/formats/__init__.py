"""The formats of hash lists, one module each; `tutela.hashlist.format` defines their role."""
