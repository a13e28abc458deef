from collections.abc import Callable

from workers.executors.engine import Body

WITHOUT_BARRIER: dict[str, type[Body]]
WITH_BARRIER: dict[str, Callable[[], Body]]
