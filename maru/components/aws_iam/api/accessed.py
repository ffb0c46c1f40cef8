"""Which services somebody may use, and when it last did: the access advisor.

A report is of the moment it was asked for, and kept in memory: a restart forgets it.
Source: IAM API reference, GenerateServiceLastAccessedDetails, GetServiceLastAccessedDetails,
GetServiceLastAccessedDetailsWithEntities.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.granting import Granting, grants
from maru.components.aws_iam.api.last_uses import SERVICES, LastUse, LastUses
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.errors import no_such, unsupported
from maru.components.aws_iam.model.documents import Role, User, Written, decoded
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

REPORTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Report:
    """services: that are allowed, ascending. uses: by service, each user or role that used it, the latest first."""

    account: str
    made_at: datetime
    services: Sequence[str]
    uses: Mapping[str, Sequence[tuple[User | Role, LastUse]]]


class Accessed:
    """See the module."""

    def __init__(self, book: Book, managed: Managed, granting: Granting, uses: LastUses, asker: Asker) -> None:
        self._book = book
        self._managed = managed
        self._granting = granting
        self._uses = uses
        self._asker = asker
        self._reports: OrderedDict[str, Report] = OrderedDict()

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        alone = self._asker.alone
        generate, get = "GenerateServiceLastAccessedDetails", "GetServiceLastAccessedDetails"
        return {
            generate: AwsOperation(self.generate, self._asker.arn(generate, "Arn")),
            get: AwsOperation(self.get, alone(get)),
            f"{get}WithEntities": AwsOperation(self.get_entities, alone(f"{get}WithEntities")),
        }

    async def generate(self, call: AwsCall) -> Members:
        if call.parameters.get("Granularity") == "ACTION_LEVEL":
            raise unsupported("The last use of single actions is not recorded; ask at SERVICE_LEVEL")
        policies, holders = self._about(call.account, call.parameters["Arn"])
        services = [service for service in SERVICES if any(grants(decoded(one), service) for one in policies)]
        uses = {service: self._used(holders, service) for service in services}
        job = self._book.tools.ids.uid()
        self._reports[job] = Report(call.account, self._book.tools.clock.now(), services, uses)
        if len(self._reports) > REPORTS_MAX:
            self._reports.popitem(last=False)
        return {"JobId": job}

    async def get(self, call: AwsCall) -> Members:
        report = self._report(call)
        entries = [_service_members(service, report.uses[service]) for service in report.services]
        return {**_job(report), "JobType": "SERVICE_LEVEL", **page("ServicesLastAccessed", entries, call)}

    async def get_entities(self, call: AwsCall) -> Members:
        report, service = self._report(call), call.parameters["ServiceNamespace"]
        if service not in report.services:
            raise no_such(f"Service {service} is not in the report.")
        entries = [
            {
                "EntityInfo": {
                    "Arn": holder.arn,
                    "Name": holder.name,
                    "Type": "ROLE" if use.role else "USER",
                    "Id": holder.id,
                    "Path": holder.fields.path,
                },
                "LastAuthenticated": use.at,
            }
            for holder, use in report.uses[service]
        ]
        return {**_job(report), **page("EntityDetailsList", entries, call)}

    def _report(self, call: AwsCall) -> Report:
        report = self._reports.get(call.parameters["JobId"])
        if report is None or report.account != call.account:
            raise no_such(f"JobId {call.parameters['JobId']} cannot be found.")
        return report

    def _about(self, account: str, arn: str) -> tuple[Sequence[Written], Sequence[User | Role]]:
        """The policies of what `arn` names, and the users and roles that have them. Raises NoSuchEntity."""
        book = self._book
        users, roles = book.users.list(account), book.roles.list(account)
        document = self._managed.document(account, arn)
        if document is not None:
            groups = {one.name for one in book.groups.list(account) if arn in one.fields.attached}
            having = [one for one in users if arn in one.fields.attached or groups & set(one.fields.groups)]
            return [document], [*having, *(one for one in roles if arn in one.fields.attached)]
        policies = [one.written for one in self._granting.held(account, arn)]
        group = book.groups.find_by_arn(arn)
        if group is not None:
            return policies, [one for one in users if group.name in one.fields.groups]
        user = book.users.find_by_arn(arn)
        return policies, [user] if user is not None else [one for one in roles if one.arn == arn]

    def _used(self, holders: Sequence[User | Role], service: str) -> Sequence[tuple[User | Role, LastUse]]:
        found = [(one, self._uses.of_service(one.account, one.id, service)) for one in holders]
        used = [(one, use) for one, use in found if use is not None]
        return sorted(used, key=lambda pair: pair[1].at, reverse=True)


def _service_members(service: str, uses: Sequence[tuple[User | Role, LastUse]]) -> Members:
    members: Members = {
        "ServiceName": SERVICES[service],
        "ServiceNamespace": service,
        "TotalAuthenticatedEntities": len(uses),
    }
    if uses:
        holder, use = uses[0]
        members |= {
            "LastAuthenticated": use.at,
            "LastAuthenticatedEntity": holder.arn,
            "LastAuthenticatedRegion": use.region,
        }
    return members


def _job(report: Report) -> Members:
    return {"JobStatus": "COMPLETED", "JobCreationDate": report.made_at, "JobCompletionDate": report.made_at}
