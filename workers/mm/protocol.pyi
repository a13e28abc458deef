class Protocol:
    name: str
    i_pages: bool
    slot_format: int
    zeromap: bool
