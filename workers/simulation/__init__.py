"""Virtual time: the compiled core on a clock a CPU, each primitive at the price of a cost model. Knows nothing of real
time, of other executors' CPUs or of the service; a simulation is a process of its own (`python -m workers.simulation`).
"""
