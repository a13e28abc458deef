"""Who runs next: oracles that see which CPUs can go on, one a file. They know no memory and no protocol."""
