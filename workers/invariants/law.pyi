ALL: tuple[str, ...]
TABLE_UNDER_CLUSTER_LOCK: tuple[str, ...]

class Law:
    """A law: its id, its sentence, where it is looked at, and which protocols must keep it."""

    id: str
    points: tuple[str, ...]
    protocols: tuple[str, ...]
    cluster_protocols: tuple[str, ...]
    folio_protocols: tuple[str, ...]
    page_protocols: tuple[str, ...]
    known_broken: dict[str, str]
    plain: bool
    unless: dict[str, int]
    @property
    def sentence(self) -> str: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...

class ClusterLaw(Law): ...
class FolioLaw(Law): ...
class PageLaw(Law): ...
class StepLaw(Law): ...
