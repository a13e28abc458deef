from workers.executors.engine import Body
from workers.executors.program import Program

def attending(programs: list[Program]) -> list[Body]: ...
