"""Tasks of services, planned: a small swarm is played through, with time turned by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from maru.components.docker.model.swarm.placement import NodeFacts
from maru.components.docker.model.swarm.plan import Scene, plan, removal
from maru.components.docker.model.swarm.specs import read_spec, template_of
from maru.components.docker.model.swarm.tasks import RUNNING, Task, rank
from maru.components.docker.model.swarm.updates import Update

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NODE = NodeFacts("n1", "here", "manager", "active", "192.0.2.1", {}, {}, "linux", "x86_64", 4_000_000_000, 8 << 30)


def spec_of(image: str = "one", replicas: int = 2, **more: Any) -> dict[str, Any]:
    template = {"ContainerSpec": {"Image": image}, **more.pop("template", {})}
    mode = more.pop("mode", {"Replicated": {"Replicas": replicas}})
    return read_spec({"Name": "web", "TaskTemplate": template, "Mode": mode, **more})


@dataclass
class Swarm:
    """One service. fails: images whose tasks end at once; hangs: images whose tasks never come up."""

    spec: dict[str, Any]
    tasks: dict[str, Task] = field(default_factory=dict)
    nodes: list[NodeFacts] = field(default_factory=lambda: [NODE])
    now: datetime = START
    update: Update | None = None
    previous: dict[str, Any] | None = None
    history: int = 5
    iteration: int = 0
    fails: set[str] = field(default_factory=set)
    completes: set[str] = field(default_factory=set)
    states: list[str] = field(default_factory=list)
    most_stopped: int = 0

    def change(self, spec: dict[str, Any]) -> None:
        self.previous, self.spec = self.spec, spec
        self.update = Update("", self.now, self.now)
        self.now += timedelta(seconds=1)

    def step(self, seconds: float = 1.0) -> None:
        """Plan once, carry out, and let tasks go on as far as they can."""
        if self.update is not None:
            self.update = replace(self.update, now=self.now)
        done = plan(
            Scene(
                "s",
                self.spec,
                list(self.tasks.values()),
                self.nodes,
                self.now,
                self.history,
                self.update,
                self.iteration,
            )
        )
        for task_id in done.drop:
            del self.tasks[task_id]
        for move in done.move:
            if move.task_id in self.tasks:
                self.tasks[move.task_id] = replace(self.tasks[move.task_id], desired=move.desired)
        for new in done.create:
            self._create(new.place, new.desired, new.after)
        if done.progress is not None and done.progress.state:
            self._progress(done.progress.state, done.progress.rolls_back, done.progress.total)
        for task in list(self.tasks.values()):
            self._advance(task)
        running = sum(task.state == "running" for task in self.tasks.values())
        self.most_stopped = max(self.most_stopped, self.wanted - running)
        self.now += timedelta(seconds=seconds)

    def settle(self, steps: int = 30, seconds: float = 1.0) -> None:
        for _ in range(steps):
            self.step(seconds)

    @property
    def wanted(self) -> int:
        return int((self.spec["Mode"].get("Replicated") or {}).get("Replicas") or 0)

    def images(self, *states: str) -> list[str]:
        """Images of tasks in a state, of all of a place's."""
        return sorted(t.spec["ContainerSpec"]["Image"] for t in self.tasks.values() if t.state in states)

    def _create(self, place: str, desired: str, after: datetime | None) -> None:
        number = f"t{len(self.states)}"
        self.states.append(number)
        task = Task(
            number, place, "n1", "assigned", desired, self.now, self.now, None, after, self.iteration,
            template_of(self.spec), self.spec.get("EndpointSpec") or {},
        )  # fmt: skip
        self.tasks[number] = task

    def _progress(self, state: str, rolls_back: bool, total: int) -> None:
        assert self.update is not None
        self.update = replace(self.update, state=state, total=total or self.update.total)
        if rolls_back:
            assert self.previous is not None
            self.spec, self.update = self.previous, Update(state, self.now, self.now)

    def _advance(self, task: Task) -> None:
        image = task.spec["ContainerSpec"]["Image"]
        if task.is_over or task.id not in self.tasks:
            return
        state, started = task.state, task.started
        if not task.is_wanted:
            state = "shutdown"
        elif task.desired == "ready":
            state = "ready"
        elif rank(task.state) < RUNNING:
            state, started = "running", self.now
        elif image in self.fails:
            state = "failed"
        elif image in self.completes:
            state = "complete"
        self.tasks[task.id] = replace(
            task, state=state, started=started, changed=self.now if state != task.state else task.changed
        )


def test_a_service_gets_its_replicas_and_then_nothing_more_is_done() -> None:
    swarm = Swarm(spec_of(replicas=3))
    swarm.settle(5)
    assert sorted(task.place for task in swarm.tasks.values()) == ["1", "2", "3"]
    assert swarm.images("running") == ["one"] * 3
    made = len(swarm.states)
    swarm.settle(20)
    assert len(swarm.states) == made


def test_scaling_keeps_the_low_numbers_and_forgets_the_others() -> None:
    swarm = Swarm(spec_of(replicas=5))
    swarm.settle(3)
    swarm.spec = spec_of(replicas=2)
    swarm.settle(5)
    assert sorted(task.place for task in swarm.tasks.values()) == ["1", "2"]
    swarm.spec = spec_of(replicas=4)
    swarm.settle(5)
    assert sorted(task.place for task in swarm.tasks.values()) == ["1", "2", "3", "4"]
    assert len(swarm.states) == 7, "those that ran on are the ones there were"


def test_what_fails_comes_back_after_its_delay_and_history_is_bounded() -> None:
    swarm = Swarm(spec_of(replicas=1, template={"RestartPolicy": {"Delay": 5_000_000_000}}), fails={"one"})
    swarm.settle(8)
    assert 1 < len(swarm.states) <= 3
    swarm.settle(120)
    assert len(swarm.states) > 10
    assert len(swarm.tasks) <= 6
    assert sum(task.is_wanted for task in swarm.tasks.values()) == 1


def test_a_restart_condition_and_attempts_are_kept_to() -> None:
    for policy, image, made in (
        ({"Condition": "none"}, "fails", 1),
        ({"Condition": "on-failure", "Delay": 0}, "completes", 1),
        ({"Condition": "any", "Delay": 0, "MaxAttempts": 2}, "fails", 3),
    ):
        swarm = Swarm(spec_of(image, 1, template={"RestartPolicy": policy}), fails={"fails"}, completes={"completes"})
        swarm.settle(40)
        assert len(swarm.states) == made, policy
        swarm.change(spec_of("good", 1))
        swarm.settle(10)
        assert swarm.images("running") == ["good"], "a new specification is tried all the same"


def test_an_update_stops_no_more_at_once_than_its_parallelism() -> None:
    swarm = Swarm(spec_of(replicas=4))
    swarm.settle(3)
    swarm.most_stopped = 0
    swarm.change(spec_of("two", 4, UpdateConfig={"Parallelism": 2, "Monitor": 1_000_000_000}))
    swarm.settle(40)
    assert swarm.images("running") == ["two"] * 4
    assert 1 <= swarm.most_stopped <= 2
    assert swarm.update is not None and swarm.update.state == "completed"


def test_start_first_never_has_less_than_what_is_wanted() -> None:
    swarm = Swarm(spec_of(replicas=3))
    swarm.settle(3)
    swarm.most_stopped = 0
    swarm.change(spec_of("two", 3, UpdateConfig={"Parallelism": 1, "Order": "start-first", "Monitor": 1_000_000_000}))
    swarm.settle(40)
    assert swarm.images("running") == ["two"] * 3
    assert swarm.most_stopped == 0


def test_the_delay_between_steps_is_waited_for() -> None:
    swarm = Swarm(spec_of(replicas=3))
    swarm.settle(3)
    swarm.change(spec_of("two", 3, UpdateConfig={"Parallelism": 1, "Delay": 20_000_000_000}))
    swarm.settle(15)
    assert swarm.images("running").count("two") == 1
    swarm.settle(60)
    assert swarm.images("running") == ["two"] * 3


def test_a_failing_update_pauses_goes_on_or_rolls_back_as_asked() -> None:
    for action, state, images in (
        ("pause", "paused", {"one"}),
        ("rollback", "rollback_completed", {"one"}),
        ("continue", "completed", set()),
    ):
        config = {"Parallelism": 1, "FailureAction": action, "Monitor": 10_000_000_000}
        rollback = {"Monitor": 1_000_000_000}
        first = spec_of(replicas=3, RollbackConfig=rollback)
        swarm = Swarm(first, fails={"bad"})
        swarm.settle(3)
        swarm.change(spec_of("bad", 3, UpdateConfig=config, RollbackConfig=rollback))
        swarm.settle(60)
        assert swarm.update is not None and swarm.update.state == state, action
        assert set(swarm.images("running")) - {"bad"} == images, action
        if action == "rollback":
            assert swarm.images("running") == ["one"] * 3


def test_a_failure_ratio_lets_some_fail() -> None:
    swarm = Swarm(spec_of(replicas=4))
    swarm.settle(3)
    swarm.change(spec_of("two", 4, UpdateConfig={"MaxFailureRatio": 0.5, "Monitor": 5_000_000_000, "Parallelism": 0}))
    swarm.settle(3)
    victim = next(task for task in swarm.tasks.values() if task.state == "running")
    swarm.tasks[victim.id] = replace(victim, state="failed", changed=swarm.now)
    swarm.settle(20)
    assert swarm.update is not None and swarm.update.state == "completed"
    assert swarm.images("running") == ["two"] * 4


def test_a_drained_node_loses_its_tasks_and_gets_them_again() -> None:
    swarm = Swarm(spec_of(replicas=2))
    swarm.settle(3)
    swarm.nodes = [replace(NODE, availability="drain")]
    swarm.step()
    assert swarm.images("running") == []
    swarm.tasks = {task_id: replace(task, node="") if task.is_wanted else task for task_id, task in swarm.tasks.items()}
    swarm.nodes = [NODE]
    swarm.settle(3)
    assert swarm.images("running") == ["one"] * 2


def test_a_global_service_follows_the_nodes_that_suit() -> None:
    mode = {"Global": {}}
    swarm = Swarm(spec_of(mode=mode, template={"Placement": {"Constraints": ["node.labels.disk==ssd"]}}))
    swarm.settle(3)
    assert not swarm.tasks
    swarm.nodes = [replace(NODE, labels={"disk": "ssd"})]
    swarm.settle(3)
    assert [task.place for task in swarm.tasks.values()] == ["n1"]
    swarm.nodes = [NODE]
    swarm.settle(3)
    assert swarm.images("running") == []


def test_a_job_runs_each_of_its_tasks_once_and_again_in_the_next_iteration() -> None:
    mode = {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 5}}
    swarm = Swarm(spec_of(mode=mode), completes={"one"})
    swarm.step()
    assert len(swarm.tasks) == 2
    swarm.settle(20)
    assert swarm.images("complete") == ["one"] * 5
    assert len(swarm.states) == 5
    swarm.iteration = 1
    swarm.settle(20)
    assert len(swarm.states) == 10
    assert len(swarm.tasks) == 5


def test_a_removed_service_takes_its_tasks_with_it_once_they_have_stopped() -> None:
    swarm = Swarm(spec_of(replicas=2))
    swarm.settle(3)
    first = removal(list(swarm.tasks.values()))
    assert {move.desired for move in first.move} == {"remove"}
    assert not first.drop
    over = [replace(task, desired="remove", state="shutdown") for task in swarm.tasks.values()]
    assert set(removal(over).drop) == set(swarm.tasks)
