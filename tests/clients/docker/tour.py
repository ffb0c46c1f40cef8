"""What people do with the docker command line, command by command, and its output freed of what differs by chance.

Each line is a shell command; the same lines go to two engines, and their output and exit codes are compared.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTAINERS = """
docker run --rm --network none busybox sh -c 'echo out; exit 7'
docker run --name aa -d -l x=y -e A=b --hostname h1 --network none busybox sleep 600
docker run --name aa --network none busybox true
docker ps --filter label=x=y --format '{{.Names}} {{.Image}} {{.Command}} {{.Labels}} {{.Networks}}'
docker pause aa && docker unpause aa
docker exec -e Q=1 -w /tmp -u 1000:1000 aa sh -c 'echo $Q $PWD; id'
docker exec aa sh -c 'exit 9'
docker exec aa nosuch
docker exec nosuch true
docker rename nosuch zz
docker update --memory 128m --memory-swap 256m aa
docker inspect -f '{{.HostConfig.Memory}} {{.State.Status}} {{.Config.Hostname}} {{.Config.Env}}' aa
docker port aa
docker stop -t 0 aa
docker stop aa
docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' aa
docker wait aa
docker rm aa
docker rm aa
docker rm -f aa
docker logs nosuch
docker run --name dd --network none busybox sh -c 'touch /new; rm /etc/passwd; mkdir /dir; echo x >> /etc/group'
docker logs dd
docker diff dd | sort
docker cp dd:/new - | tar t
docker cp dd:/nosuch -
docker commit -m msg -a me -c 'ENV Z=1' dd tour:1 | cut -c1-7
docker inspect -f '{{.Config.Env}} {{.Config.Cmd}} {{.Comment}} {{.Author}}' tour:1
docker history --format '{{.CreatedBy}} {{.Size}} {{.Comment}}' tour:1 | head -1
docker rm dd
docker run --rm --network none --read-only busybox touch /x
docker run --rm --network none --user 12:34 busybox id
docker run --rm --network none --user nosuch busybox true
docker run --rm --network none --ulimit nofile=100:200 busybox sh -c 'ulimit -n; ulimit -Hn'
docker run --rm --network none --tmpfs /t:size=1m busybox sh -c 'df -k /t | tail -1'
docker run --rm --network none --cap-drop ALL --cap-add KILL busybox grep Cap /proc/self/status
docker run --rm --network none --security-opt no-new-privileges busybox grep -E 'Seccomp:|NoNew' /proc/self/status
docker run --rm --network none --add-host foo:1.2.3.4 busybox grep foo /etc/hosts
docker run --rm --network none --device /dev/null:/dev/mynull:r busybox sh -c 'test -c /dev/mynull && echo there'
docker run --rm --network none --mount type=bind,source=/nosuch/at/all,target=/x busybox true
docker run --rm --network none -v v1:relative busybox true
docker run --rm --network none -v v1:/x:badmode busybox true
docker run --rm --network nosuch busybox true
docker inspect nosuch
"""
IMAGES = """
docker tag busybox tour/x:1
docker tag nosuch yy
docker images tour/x --format '{{.Repository}} {{.Tag}} {{.Size}}'
docker images --filter reference='tour/*' --format '{{.Repository}}:{{.Tag}}'
docker image inspect -f '{{.Size}} {{.Config.Cmd}} {{.RootFS.Type}}' busybox
docker run -d --network none --name uu tour:1 sleep 600
docker rmi tour:1
docker rmi -f $(docker images -q tour:1)
docker rm -f uu
docker rmi tour:1
docker rmi tour/x:1
docker rmi nosuch
docker save nosuch
docker push nosuch/x
echo hello | docker import - imp:1
mkdir -p f && tar cf - f | docker import -m note -c 'CMD ["/f"]' - imp:1
docker history --format '{{.Comment}} {{.Size}}' imp:1
docker rmi imp:1
printf 'FROM busybox\\nARG V=0\\nRUN echo v$V > /v\\nENV A=1\\nCMD ["cat", "/v"]\\n' | docker build -q --build-arg V=3 -t tb - | cut -c1-6
docker run --rm --network none tb
docker inspect -f '{{.Config.Env}} {{.Config.Cmd}} {{.Config.OnBuild}}' tb
printf 'FROM busybox\\nRUN exit 3\\n' | docker build -q -t bad -
docker rmi tb
"""
STORAGE = """
docker volume create v1
docker volume create --label a=b v2
docker volume create -d nosuch v3
docker volume create 'bad name'
docker volume ls --filter label=a=b -q
docker volume inspect -f '{{.Name}} {{.Driver}} {{.Labels}} {{.Options}} {{.Scope}}' v2
docker volume inspect nosuch
docker run --name vu --network none -v v1:/x busybox sh -c 'head -c 12345 /dev/zero > /x/f; head -c 777 /dev/zero > /mine'
docker run --rm --network none -v v1:/x:ro busybox touch /x/g
docker volume rm v1
docker run --rm --network none --volumes-from vu:ro busybox sh -c 'wc -c < /x/f'
docker ps -as --filter name=vu --format '{{.Size}}'
docker system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}} {{end}}'
docker system df --format '{{.Type}} {{.TotalCount}} {{.Size}} {{.Reclaimable}}' | grep Volumes
docker container prune -f | tail -1
docker volume rm v1 v2
docker volume rm nosuch
docker network create --subnet 10.211.0.0/24 --gateway 10.211.0.1 --label a=b n2
docker network create n2
docker network ls --filter label=a=b --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network inspect -f '{{.Name}} {{.Driver}} {{.IPAM.Config}} {{.Internal}} {{.Labels}}' n2
docker run --rm --network n2 --ip 10.211.0.200 busybox sh -c 'ip -o -4 addr show eth0 | grep -o 10.211.0.200/24'
docker network rm n2
docker network rm nosuch
docker network rm bridge
docker network connect nosuch nosuch
"""
_CHANCE = (
    (re.compile(r"sha256:[0-9a-f]{64}"), "<sha>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short id>"),
    (re.compile(r"DEPRECATED: The legacy(.*\n){3}\n?"), ""),
)
# Debian's dockerd is 20.10; what later ones word anew is brought to one form.
_WORDED_ANEW = (
    ("failed to create task for container: ", ""),
    ("Error when allocating new name: ", ""),
)


def steps() -> Sequence[str]:
    """The whole tour."""
    return [line for part in (CONTAINERS, IMAGES, STORAGE) for line in part.strip().splitlines()]


def taken(host: str, folder: Path, environment: Mapping[str, str]) -> Sequence[tuple[str, str, int]]:
    """The tour on the engine at `host`, in `folder`: command, output and exit code of each."""
    folder.mkdir(exist_ok=True)
    wanted = {**environment, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0", "PATH": os.environ["PATH"]}
    return [_step(line, folder, wanted) for line in steps()]


def _step(line: str, folder: Path, environment: Mapping[str, str]) -> tuple[str, str, int]:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    text = done.stdout.decode(errors="replace")
    for pattern, word in _CHANCE:
        text = pattern.sub(word, text)
    for new, old in _WORDED_ANEW:
        text = text.replace(new, old)
    # Since 23 the daemon's words begin in lower case.
    text = re.sub(r"(?<=daemon: )[A-Z]", lambda found: found[0].lower(), text)
    return line, text.strip(), done.returncode
