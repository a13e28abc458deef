"""How the CPUs run: real processes in real time, or stacks in one thread that a scheduler switches. No protocol."""
