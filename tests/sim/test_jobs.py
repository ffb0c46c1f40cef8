"""Jobs and CronJobs in simulated time."""

from __future__ import annotations

from maru.core.client import DeleteOptions
from maru.core.document import Value
from maru.kinds.resources import CRONJOBS, JOBS, PODS
from tests.sim.kubelet import Behaviour
from tests.sim.world import World, template


def job(**spec: object) -> Value:
    made = template("once")
    made["spec"]["restartPolicy"] = "Never"
    return {
        "metadata": {"name": "once", "namespace": "default"},
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 6,
            "selector": {"matchLabels": {"app": "once"}},
            "template": made,
            **spec,
        },
    }


def verdicts(world: World, name: str = "once") -> dict[str, str]:
    conditions = world.get(JOBS, name).get("status", {}).get("conditions", ())
    return {each["type"]: each["reason"] for each in conditions if each["status"] == "True"}


async def test_a_job_completes_and_counts_each_pod_once() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=1)
    async with world.running():
        await world.user.create(JOBS, job(completions=5, parallelism=2))
        assert await world.until(lambda: "Complete" in verdicts(world), 30)
        status = world.get(JOBS, "once")["status"]
        assert status["succeeded"] == 5 and not status.get("failed") and "completionTime" in status
        assert status["uncountedTerminatedPods"] == {} and not status.get("active")
        assert len(world.pods(app="once")) == 5
        assert not any(pod["metadata"].get("finalizers") for pod in world.pods(app="once"))
        assert verdicts(world) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}


async def test_failures_back_off_and_end_the_job() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=1, code=1)
    async with world.running():
        await world.user.create(JOBS, job(backoffLimit=2))
        await world.run(5)
        assert len(world.pods(app="once")) == 1
        assert await world.until(lambda: "Failed" in verdicts(world), 120)
        assert verdicts(world)["Failed"] == "BackoffLimitExceeded"
        assert world.get(JOBS, "once")["status"]["failed"] == 3


async def test_a_deadline_stops_what_runs() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(JOBS, job(activeDeadlineSeconds=5))
        await world.run(3)
        assert len(world.pods(app="once")) == 1
        assert await world.until(lambda: "Failed" in verdicts(world), 10)
        assert verdicts(world)["Failed"] == "DeadlineExceeded"
        assert world.pods(app="once") == []


async def test_an_indexed_job_gives_every_index_its_number_and_name() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=1)
    async with world.running():
        await world.user.create(JOBS, job(completions=3, parallelism=3, completionMode="Indexed"))
        assert await world.until(lambda: "Complete" in verdicts(world), 30)
        assert world.get(JOBS, "once")["status"]["completedIndexes"] == "0-2"
        assert sorted(pod["spec"]["hostname"] for pod in world.pods(app="once")) == ["once-0", "once-1", "once-2"]
        (variable,) = world.pods(app="once")[0]["spec"]["containers"][0]["env"]
        assert variable["name"] == "JOB_COMPLETION_INDEX"


async def test_an_index_that_keeps_failing_fails_alone() -> None:
    world = World()
    await world.setup()

    def script(pod: Value) -> Behaviour:
        return Behaviour(exit_s=1, code=1 if pod["spec"]["hostname"] == "once-1" else 0)

    world.script = script
    async with world.running():
        await world.user.create(
            JOBS,
            job(completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=1, backoffLimit=2**31 - 1),
        )
        assert await world.until(lambda: "Failed" in verdicts(world), 60)
        status = world.get(JOBS, "once")["status"]
        assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1")
        assert verdicts(world)["Failed"] == "FailedIndexes" and status["failed"] == 2


async def test_a_policy_can_fail_the_job_at_once_or_ignore_a_failure() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=1, code=42)
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    async with world.running():
        await world.user.create(JOBS, job(podFailurePolicy={"rules": rules}))
        assert await world.until(lambda: "Failed" in verdicts(world), 20)
        assert verdicts(world)["Failed"] == "PodFailurePolicy"
        message = next(e["message"] for e in world.get(JOBS, "once")["status"]["conditions"] if e["type"] == "Failed")
        assert "failed with exit code 42 matching FailJob rule at index 0" in message


async def test_a_suspended_job_stops_and_resumes_without_counting_failures() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=5)
    async with world.running():
        await world.user.create(JOBS, job())
        await world.run(2)
        await world.change(JOBS, "once", suspend=True)
        await world.run(2)
        assert world.pods(app="once") == [] and "startTime" not in world.get(JOBS, "once")["status"]
        await world.change(JOBS, "once", suspend=False)
        assert await world.until(lambda: "Complete" in verdicts(world), 30)
        assert not world.get(JOBS, "once")["status"].get("failed")


async def test_a_success_policy_ends_a_job_early() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=1 if pod["spec"]["hostname"] == "once-0" else None)
    policy = {"rules": [{"succeededIndexes": "0"}]}
    async with world.running():
        await world.user.create(JOBS, job(completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy))
        assert await world.until(lambda: "Complete" in verdicts(world), 60)
        assert verdicts(world)["Complete"] == "SuccessPolicy"


async def test_a_deleted_job_leaves_no_pod_behind() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(JOBS, job(completions=2, parallelism=2))
        await world.run(2)
        await world.user.delete(JOBS, "default", "once")
        assert await world.until(lambda: not world.api.all(PODS) and not world.api.all(JOBS), 10)


async def test_a_finished_job_goes_when_its_time_is_over() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=1)
    async with world.running():
        await world.user.create(JOBS, job(ttlSecondsAfterFinished=30))
        assert await world.until(lambda: "Complete" in verdicts(world), 10)
        await world.run(20)
        assert world.api.all(JOBS)
        assert await world.until(lambda: not world.api.all(JOBS) and not world.api.all(PODS), 15)


def cron_job(**spec: object) -> Value:
    inner = job()["spec"]
    return {
        "metadata": {"name": "tick", "namespace": "default"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": inner}, "successfulJobsHistoryLimit": 2, **spec},
    }


async def test_a_cron_job_starts_every_minute_and_keeps_its_history_short() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(exit_s=1)
    async with world.running():
        await world.user.create(CRONJOBS, cron_job())
        await world.run(60 * 5)
        status = world.get(CRONJOBS, "tick")["status"]
        assert status["lastScheduleTime"] == "2026-01-02T03:09:00Z" and "lastSuccessfulTime" in status
        assert len(world.api.all(JOBS)) == 2


async def test_a_cron_job_that_forbids_waits_and_one_that_replaces_stops_the_old() -> None:
    for policy, count in (("Forbid", 1), ("Replace", 1), ("Allow", 3)):
        world = World()
        await world.setup()
        async with world.running():
            await world.user.create(CRONJOBS, cron_job(concurrencyPolicy=policy))
            await world.run(60 * 3)
            assert len(world.api.all(JOBS)) == count, policy


async def test_a_pod_that_a_job_lets_go_is_not_held_by_it_any_more() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(JOBS, job())
        assert await world.until(lambda: bool(world.pods(app="once")), 10)
        name = world.pods(app="once")[0]["metadata"]["name"]
        await world.user.patch(PODS, "default", name, {"metadata": {"labels": {"app": "other"}}})
        await world.run(5)
        metadata = world.get(PODS, name)["metadata"]
        assert not metadata.get("ownerReferences") and not metadata.get("finalizers")
        assert len(world.pods(app="once")) == 1


async def test_pods_that_outlive_their_job_are_not_held_by_it_any_more() -> None:
    world = World()
    await world.setup()
    async with world.running():
        wanted = job()
        wanted["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] = "once"
        await world.user.create(JOBS, wanted)
        assert await world.until(lambda: bool(world.pods(app="once")), 10)
        await world.user.delete(JOBS, "default", "once", DeleteOptions(propagation="Orphan"))
        await world.run(10)
        metadata = world.pods(app="once")[0]["metadata"]
        assert not metadata.get("ownerReferences") and not metadata.get("finalizers")
