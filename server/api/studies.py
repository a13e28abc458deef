"""Studies: arms times repeats, queued at once in interleaved order."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field, JsonValue, model_validator

from server.api.common import (
    ID,
    PREFIX,
    Body,
    ListQuery,
    idempotency_key,
    listing,
    problems,
    the_service,
    write_position,
)
from server.api.texts import page_of_texts
from server.config import Settings
from server.errors import Fault, ProblemError, pointer_of
from server.filters import STUDIES
from server.limits import faults_of
from server.schemas import MAX_ARMS, MAX_REPEATS, Arm, Model, Study, check_arms
from server.study import MatrixError, StudyPlan, arms_of, digest_of

MATRIX_KEYS = ("spec", "include", "exclude", "baseline")


class StudyBody(Body):
    """Arms, or the matrix that they are made from, times repeats: each runs once with each seed from `seed` on."""

    name: str = Field("", max_length=200)
    arms: list[Arm] | None = Field(None, min_length=1, max_length=MAX_ARMS, description="what is run, one by one")
    matrix: dict[str, list[JsonValue]] | None = Field(
        None, min_length=1, description="instead of arms: field of a run spec -> its values"
    )
    spec: dict[str, JsonValue] | None = Field(None, description="with a matrix: fields that every run has")
    include: list[dict[str, JsonValue]] | None = Field(
        None, max_length=MAX_ARMS, description="with a matrix: combinations beside it"
    )
    exclude: list[dict[str, JsonValue]] | None = Field(
        None, max_length=MAX_ARMS, description="with a matrix: combinations that are left out"
    )
    baseline: str | None = Field(None, max_length=64, description="with a matrix: protocol that stands first in a cell")
    repeats: int = Field(10, ge=1, le=MAX_REPEATS, description="seeds; every arm runs once with each")
    seed: int = Field(1, ge=0, lt=(1 << 63) - MAX_REPEATS, description="seed of the first repeat")

    @model_validator(mode="after")
    def _arms_or_a_matrix(self) -> StudyBody:
        if (self.arms is None) == (self.matrix is None):
            raise ValueError("give either 'arms' or 'matrix'")
        if self.arms is not None:
            beside = [name for name in MATRIX_KEYS if getattr(self, name) is not None]
            if beside:
                raise ValueError(f"{', '.join(beside)} belong to a matrix, not to arms")
            check_arms(self.arms)
        return self

    def plan(self) -> StudyPlan:
        """What a body with a matrix asks for."""
        given = {name: getattr(self, name) for name in ("matrix", *MATRIX_KEYS) if getattr(self, name) is not None}
        return StudyPlan(name=self.name or "a matrix", repeats=self.repeats, seed=self.seed, **given)


def _arms(body: StudyBody, settings: Settings) -> list[Arm]:
    """The arms of a body. Raises ProblemError for a matrix that cannot be, and for what this server does not run."""
    if body.arms is not None:
        arms, where = body.arms, [f"#/arms/{index}/spec" for index in range(len(body.arms))]
    else:
        try:
            arms = arms_of(body.plan())
        except MatrixError as error:
            fault = Fault(detail=str(error), pointer=pointer_of(error.path))
            raise ProblemError(422, "invalid", "The matrix makes no study; see errors.", [fault]) from error
        where = ["#/matrix"] * len(arms)
    faults = [f for arm, pointer in zip(arms, where, strict=True) for f in faults_of(arm.spec, settings, pointer)]
    if faults:
        unique = list({(fault.pointer, fault.detail): fault for fault in faults}.values())
        raise ProblemError(422, "invalid", "An arm asks for what this server does not run; see errors.", unique)
    return arms


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
        plan = None if body.matrix is None else body.plan()
        study = service.store.create_study(
            _arms(body, service.settings),
            body.repeats,
            name=body.name,
            seed=body.seed,
            idempotency_key=idempotency_key(),
            max_queue=service.settings.max_queue,
            plan=None if plan is None else plan.model_dump(mode="json"),
            digest="" if plan is None else digest_of(plan),
        )
        return study, 202, {"Location": f"{PREFIX}/studies/{study.id}"}

    @bp.get("")
    @bp.input(ListQuery, location="query", arg_name="query")
    @bp.output(StudyPage, description="A page of studies.")
    @bp.doc(summary="List studies, newest first")
    def list_studies(query: ListQuery) -> Response:
        asked = listing(query, STUDIES)
        found, after = the_service().store.study_texts(**asked)
        return page_of_texts(found, write_position(after, asked["order"]))

    @bp.get("/" + ID.format("study_id"))
    @bp.output(Study, description="The study and how far it is; its runs are /runs?study=ID.")
    @bp.doc(summary="Look at a study", responses=problems(404))
    def get_study(study_id: int) -> Study:
        return the_service().store.get_study(study_id)

    return bp
