"""What every protocol shares: folios, charges, lists, page tables, slots, devices. Kernel: mm/ less who may swap in.

Nothing here decides who brings a slot in. Nothing calls upwards but `cpu.try_to_free_pages`, the one door.
"""
