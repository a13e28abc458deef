"""Read-only SQL over the documented views. Nothing here changes a row; no statement of a client runs in this process.

`views` says what may be asked, `examples` are questions worth asking, `sandbox` is the helper process, and `runner`
starts one for each statement.
"""

from __future__ import annotations

from server.query.runner import Answer, QueryBusyError, QueryError, QueryRunner
from server.query.views import VIEWS, View

__all__ = ["VIEWS", "Answer", "QueryBusyError", "QueryError", "QueryRunner", "View"]
