"""The published Graph SDK as the caller: an outside judge of addresses, types and paging."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

# The SDK warns about itself throughout its own code.
pytestmark = [pytest.mark.sdk, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
pytest.importorskip("msgraph_beta")

from kiota_abstractions.authentication import (  # noqa: E402
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration  # noqa: E402
from msgraph_beta import GraphRequestAdapter, GraphServiceClient  # noqa: E402
from msgraph_beta.generated.models.aws_permissions_definition import AwsPermissionsDefinition  # noqa: E402
from msgraph_beta.generated.models.aws_policy_permissions_definition_action import (  # noqa: E402
    AwsPolicyPermissionsDefinitionAction,
)
from msgraph_beta.generated.models.expiration_pattern import ExpirationPattern  # noqa: E402
from msgraph_beta.generated.models.expiration_pattern_type import ExpirationPatternType  # noqa: E402
from msgraph_beta.generated.models.o_data_errors.o_data_error import ODataError  # noqa: E402
from msgraph_beta.generated.models.permissions_definition_authorization_system import (  # noqa: E402
    PermissionsDefinitionAuthorizationSystem,
)
from msgraph_beta.generated.models.permissions_definition_authorization_system_identity import (  # noqa: E402
    PermissionsDefinitionAuthorizationSystemIdentity,
)
from msgraph_beta.generated.models.permissions_definition_aws_policy import PermissionsDefinitionAwsPolicy  # noqa: E402
from msgraph_beta.generated.models.permissions_definition_identity_type import (  # noqa: E402
    PermissionsDefinitionIdentityType,
)
from msgraph_beta.generated.models.request_schedule import RequestSchedule  # noqa: E402
from msgraph_beta.generated.models.saml_identity_source import SamlIdentitySource  # noqa: E402
from msgraph_beta.generated.models.scheduled_permissions_request import ScheduledPermissionsRequest  # noqa: E402
from msgraph_beta.generated.models.status_detail import StatusDetail  # noqa: E402
from msgraph_beta.generated.models.ticket_info import TicketInfo  # noqa: E402


class StaticToken(AccessTokenProvider):
    async def get_authorization_token(self, uri, additional_authentication_context=None):
        del uri, additional_authentication_context
        return "alex@contoso.com"

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


@pytest.fixture
def ask(sandbox):
    """Run one coroutine function with a client of the SDK that talks to the sandbox."""

    def run(call):
        async def with_client():
            adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(StaticToken()))
            adapter.base_url = sandbox.graph_url
            try:
                return await call(GraphServiceClient(request_adapter=adapter))
            finally:
                # Closing the SDK's client closes the wrapper around its connections, not the connections.
                await adapter._http_client._transport.transport.aclose()

        return asyncio.run(with_client())

    return run


def _request(expiration):
    return ScheduledPermissionsRequest(
        requested_permissions=AwsPermissionsDefinition(
            odata_type="#microsoft.graph.awsPermissionsDefinition",
            authorization_system_info=PermissionsDefinitionAuthorizationSystem(
                authorization_system_id="956987887735", authorization_system_type="AWS"
            ),
            action_info=AwsPolicyPermissionsDefinitionAction(
                odata_type="#microsoft.graph.awsPolicyPermissionsDefinitionAction",
                policies=[PermissionsDefinitionAwsPolicy(id="arn:aws:iam::956987887735:policy/AddUserToGroup")],
            ),
            identity_info=PermissionsDefinitionAuthorizationSystemIdentity(
                external_id="rsn:alex@contoso.com",
                source=SamlIdentitySource(odata_type="#microsoft.graph.samlIdentitySource"),
                identity_type=PermissionsDefinitionIdentityType.User,
            ),
        ),
        justification="by the SDK",
        schedule_info=RequestSchedule(expiration=expiration),
        ticket_info=TicketInfo(ticket_number="INC1234567", ticket_system="ServiceNow"),
    )


UNTIL_2099 = ExpirationPattern(type=ExpirationPatternType.AfterDateTime, end_date_time=datetime(2099, 1, 1, tzinfo=UTC))


def _requests(client):
    return client.identity_governance.permissions_management.scheduled_permissions_requests


def test_a_request_of_the_sdk_is_accepted_and_read_back(ask):
    made = ask(lambda client: _requests(client).post(_request(UNTIL_2099)))

    assert made.status_detail is StatusDetail.Submitted
    assert isinstance(made.requested_permissions, AwsPermissionsDefinition)
    assert made.requested_permissions.action_info.policies[0].id == "arn:aws:iam::956987887735:policy/AddUserToGroup"
    assert made.schedule_info.expiration.end_date_time == UNTIL_2099.end_date_time
    assert not made.ticket_info.additional_data


def test_a_duration_of_the_sdk_is_refused_as_the_service_would(ask):
    """The SDK writes an hour as `1:00:00`, which is no Edm.Duration: a faithful service cannot read it."""
    hour = ExpirationPattern(type=ExpirationPatternType.AfterDuration, duration=timedelta(hours=1))

    with pytest.raises(ODataError) as refusal:
        ask(lambda client: _requests(client).post(_request(hour)))

    assert refusal.value.response_status_code == 400
    assert "'1:00:00'" in refusal.value.error.message


def test_changes_are_listed_filtered_and_followed(ask, control):
    control.post("settings", pageSize=2)

    async def walk(client):
        made = [await _requests(client).post(_request(UNTIL_2099)) for _ in range(3)]
        changes = client.identity_governance.permissions_management.permissions_request_changes
        query = changes.PermissionsRequestChangesRequestBuilderGetQueryParameters(
            filter="modificationDateTime gt 2023-02-06T12:15:00Z and ticketId eq 'INC1234567'"
        )
        page = await changes.get(request_configuration=RequestConfiguration(query_parameters=query))
        seen = [one.permissions_request_id for one in page.value]
        while page.odata_next_link:
            page = await changes.with_url(page.odata_next_link).get()
            seen += [one.permissions_request_id for one in page.value]
        one = await changes.by_permissions_request_change_id(page.value[-1].id).get()
        return [one.id for one in made], seen, one

    made, seen, one = ask(walk)

    assert seen == made
    assert one.status_detail is StatusDetail.Submitted
    assert one.modification_date_time.tzinfo is not None


@pytest.mark.parametrize(("on", "count"), [("createdBy", 1), ("principal", 1), ("approver", 0)])
def test_requests_are_filtered_by_the_caller(ask, on, count):
    async def mine(client):
        await _requests(client).post(_request(UNTIL_2099))
        return await _requests(client).filter_by_current_user_with_on(on).get()

    assert len(ask(mine).value) == count


def test_systems_are_discovered(ask):
    async def discover(client):
        systems = client.external.authorization_systems
        query = systems.AuthorizationSystemsRequestBuilderGetQueryParameters(filter="authorizationSystemType eq 'aws'")
        page = await systems.get(request_configuration=RequestConfiguration(query_parameters=query))
        one = await systems.by_authorization_system_id(page.value[0].id).get()
        return page.value, one

    systems, one = ask(discover)

    assert {type(system).__name__ for system in systems} == {"AwsAuthorizationSystem"}
    assert one.authorization_system_id == systems[0].authorization_system_id
    assert type(systems[0].data_collection_info.entitlements).__name__ == "EntitlementsDataCollection"


def test_a_stranger_is_refused_in_a_shape_that_the_sdk_reads(ask, control):
    control.post("faults", do="status", status=403, path="authorizationSystems")

    with pytest.raises(ODataError) as refusal:
        ask(lambda client: client.external.authorization_systems.get())

    assert refusal.value.response_status_code == 403
    assert refusal.value.error.code == "Forbidden"
