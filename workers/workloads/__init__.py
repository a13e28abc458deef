"""What the programs on the emulated machine do: which page, load or store, when to fork. One workload a file."""
