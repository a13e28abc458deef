"""Every page by name: its address for the stored ids. What the tests of access, width and colours go through."""

from __future__ import annotations

PAGES = {
    "home": "/",
    "runs": "/runs",
    "runs_filtered": "/runs?filter=state:failed&columns=state,protocol,reason,host",
    "runs_wrong_filter": "/runs?filter=cpus>=many",
    "new_run": "/runs/new",
    "run": "/runs/{sampled}",
    "run_over_time": "/runs/{sampled}?tab=time",
    "run_environment": "/runs/{sampled}?tab=environment",
    "run_attempts": "/runs/{sampled}?tab=attempts",
    "run_invalid": "/runs/{invalid}",
    "studies": "/studies",
    "study": "/studies/{study}",
    "hosts": "/hosts",
    "host": "/hosts/lab",
    "load": "/load",
    "compare": "/compare",
    "compare_arms": "/compare?study={study}",
    "comparison": "/comparisons/{comparison}",
    "comparison_chosen": "/compare?study={study}&baseline=old&candidate=new",
    "explorations": "/explorations",
    "explorations_filtered": "/explorations?filter=state:found",
    "explorations_wrong_filter": "/explorations?filter=cpus:2",
    "exploration": "/explorations/{exploration}",
    "exploration_clean": "/explorations/{covered}",
    "finding": "/timeline/explorations/{exploration}/1?step=7",
    "museum": "/museum",
    "exhibit": "/museum/26",
    "timelines": "/timeline",
    "timeline": "/timeline/runs/{traced}?step=7",
    "timeline_none": "/timeline/runs/{sampled}",
    "protocols": "/protocols",
    "protocol": "/protocols/has_cache",
    "protocol_diff": "/protocols?a=has_cache&b=swap_cache",
    "protocol_unified": "/protocols?a=has_cache&b=swap_cache&view=unified",
    "laws": "/protocols/laws",
    "sql": "/query",
    "sql_table": "/query?sql=SELECT+run_id,+protocol,+p99_ns+FROM+v_runs",
    "sql_chart": "/query?sql=SELECT+run_id,+protocol,+p99_ns+FROM+v_runs&show=chart&x=run_id&y=p99_ns&series=protocol",
    "sql_refused": "/query?sql=DROP+TABLE+runs",
    "wrong_query": "/runs?nonsense=1",
    "not_found": "/runs/999999",
}


def address(name: str, ids: dict[str, int]) -> str:
    """The address of a page for what is stored."""
    return PAGES[name].format(**ids)
