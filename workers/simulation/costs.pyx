"""From workers.simulation_spec.CostModel to numbers."""
from libc.stdint cimport uint64_t


cdef uint64_t scaled(double ns) except? 0:
    return <uint64_t>(ns * (1 << COST_SHIFT) + 0.5)


cdef void fill_costs(costs_t *c, model) except *:
    """Every figure of `model`, a CostModel."""
    c.cpus_per_core = model.topology.cpus_per_core
    c.cpus_per_socket = model.topology.cpus_per_socket
    c.own = scaled(model.line.own_ns)
    c.shared = scaled(model.line.shared_ns)
    c.line[SAME_CORE] = scaled(model.line.same_core_ns)
    c.line[SAME_SOCKET] = scaled(model.line.same_socket_ns)
    c.line[OTHER_SOCKET] = scaled(model.line.other_socket_ns)
    c.handover[SAME_CORE] = scaled(model.lock.handover_same_core_ns)
    c.handover[SAME_SOCKET] = scaled(model.lock.handover_same_socket_ns)
    c.handover[OTHER_SOCKET] = scaled(model.lock.handover_other_socket_ns)
    c.atomic = scaled(model.step.atomic_ns)
    c.acquire = scaled(model.step.acquire_ns)
    c.release = scaled(model.step.release_ns)
    c.access = scaled(model.step.access_ns)
    c.entry = scaled(model.fault.entry_ns)
    c.exit = scaled(model.fault.exit_ns)
    c.sleep = scaled(model.wake.sleep_ns)
    c.waker = scaled(model.wake.waker_ns)
    c.latency[SAME_CORE] = c.latency[SAME_SOCKET] = scaled(model.wake.latency_same_socket_ns)
    c.latency[OTHER_SOCKET] = scaled(model.wake.latency_other_socket_ns)
    c.timer = scaled(model.tick.wakeup_ns)
    c.request = scaled(model.device.request_ns)
    c.noise = <uint64_t>(model.noise.percent * 1024 / 100)
    c.lruvec_batch = model.emulation.lruvec_batch
    c.charge_batch = model.emulation.charge_batch
    c.hits_take_lock = model.emulation.hits_take_lock
    c.aligned = model.tick.aligned
    c.start_ns = <uint64_t>model.noise.start_ns
    rate, length = model.noise.interrupts_per_s, model.noise.interrupt_ns
    c.interrupt_every_ns = max(1, <uint64_t>(1e9 / rate)) if rate and length else 0
    c.interrupt_ns = <uint64_t>length
