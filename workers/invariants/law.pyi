ALL: tuple[str, ...]
TABLE_UNDER_CLUSTER_LOCK: tuple[str, ...]

class Law:
    """A law: its id, its sentence, where it is looked at, and which protocols must keep it."""

    id: str
    points: tuple[str, ...]
    protocols: tuple[str, ...]
    cluster_protocols: tuple[str, ...]
    known_broken: dict[str, str]
    unless: dict[str, int]
    @property
    def sentence(self) -> str: ...

class ClusterLaw(Law): ...
