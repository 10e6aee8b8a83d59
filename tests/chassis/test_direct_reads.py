"""Reads that are answered before FastAPI sees them fail as all others do."""

import httpx
from starlette.datastructures import State
from starlette.types import Scope
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from chassis.auth.identity import IDENTITY_HEADER, Identity, KeyScope, Signer, Verifier
from chassis.http.etags import TaggedJson
from chassis.process.direct_reads import DirectlyReadApplication, DirectReads
from devstack import keys
from tests.serving import serving


class DefectiveReads(DirectReads[str]):
    def recognize(self, state: State, scope: Scope) -> str:
        return "anything"

    def cached(self, state: State, request: str, identity: Identity, after: bytes) -> None:
        return None

    async def read(
        self, state: State, request: str, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        raise RuntimeError("a defect")


async def test_the_log_line_of_a_failed_read_names_the_request() -> None:
    private_key = keys.new_private_key()
    application = DirectlyReadApplication()
    application.direct_reads = DefectiveReads()
    application.state.verifier = Verifier(keys.public_keys_of(private_key), "probe")
    identity = Signer(private_key).sign(Identity(7, KeyScope.account), "probe")
    async with serving(application) as socket:
        transport = httpx.AsyncHTTPTransport(uds=socket)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            with capture_logs(processors=[merge_contextvars]) as logs:
                response = await client.get(
                    "/", headers={IDENTITY_HEADER: identity, "x-request-id": "the-request"}
                )

    assert response.status_code == 500
    assert response.json()["error_type"] == "InternalError"
    assert [line["request_id"] for line in logs] == ["the-request"]
