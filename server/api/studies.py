"""Studies: arms times repeats, queued at once in interleaved order."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.common import (
    ID,
    PREFIX,
    Body,
    PageQuery,
    idempotency_key,
    problems,
    read_cursor,
    the_service,
    write_cursor,
)
from server.errors import ProblemError
from server.limits import faults_of
from server.schemas import Model, Study, StudyCreate


class StudyBody(Body, StudyCreate):
    """Arms times repeats. Block i runs every arm once, in an order that alternates, with seed `seed + i`."""


class StudyPage(Model):
    """Studies, newest first."""

    items: list[Study]
    next_cursor: str | None


def studies() -> APIBlueprint:
    """The blueprint of /studies."""
    bp = APIBlueprint("studies", __name__, url_prefix=f"{PREFIX}/studies", tag="studies")

    @bp.post("")
    @bp.input(StudyBody, arg_name="body")
    @bp.output(Study, status_code=202, description="The runs of the study are queued; Location is its address.")
    @bp.doc(summary="Queue a study", responses=problems(429))
    def create_study(body: StudyBody) -> tuple[Study, int, dict[str, str]]:
        service = the_service()
        faults = [
            fault
            for index, arm in enumerate(body.arms)
            for fault in faults_of(arm.spec, service.settings, f"#/arms/{index}/spec")
        ]
        if faults:
            raise ProblemError(422, "invalid", "An arm asks for what this server does not run; see errors.", faults)
        study = service.store.create_study(
            body.arms,
            body.repeats,
            name=body.name,
            seed=body.seed,
            idempotency_key=idempotency_key(),
            max_queue=service.settings.max_queue,
        )
        return study, 202, {"Location": f"{PREFIX}/studies/{study.id}"}

    @bp.get("")
    @bp.input(PageQuery, location="query", arg_name="query")
    @bp.output(StudyPage, description="A page of studies.")
    @bp.doc(summary="List studies, newest first")
    def list_studies(query: PageQuery) -> StudyPage:
        found, before = the_service().store.list_studies(limit=query.limit, before=read_cursor(query.cursor))
        return StudyPage(items=found, next_cursor=write_cursor(before))

    @bp.get("/" + ID.format("study_id"))
    @bp.output(Study, description="The study and how far it is; its runs are /runs?study=ID.")
    @bp.doc(summary="Look at a study", responses=problems(404))
    def get_study(study_id: int) -> Study:
        return the_service().store.get_study(study_id)

    return bp
