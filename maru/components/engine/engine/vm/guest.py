"""What runs inside a virtual machine first: a shell script that obeys lines on a virtio port.

It loads drivers, mounts the share, sets up the network, and has crun make the container. Streams of the
container (slot 0) and of processes beside it are virtio ports, a terminal is a virtio console. After a
process has ended a token that only the two sides know follows its last output.
Lines in: run and exec SLOT TOKEN TTY INPUT FILE, kill SLOT SIGNAL, size SLOT ROWS COLUMNS.
Lines out: ready, started SLOT, exit SLOT CODE, failed SLOT WORDS, oom.
"""

from __future__ import annotations

SLOTS = 5  # the container itself, and processes run beside it at one time
CONTROL_PORT = 1
TERMINAL_PORT_FIRST = 2 + 3 * SLOTS
BUSY = "its streams are still held"


def ports(slot: int) -> tuple[int, int, int]:
    """The numbers of the virtio ports of standard input, output and error."""
    return 2 + 3 * slot, 3 + 3 * slot, 4 + 3 * slot


SCRIPT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /run /stage
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup /sys/fs/cgroup
while read -r module; do insmod "$module"; done < /modules
until first=$(ls /dev/vport*p{CONTROL_PORT} 2>/dev/null); do usleep 5000; done
port=${{first%{CONTROL_PORT}}}
until [ -e "${{port}}{TERMINAL_PORT_FIRST + SLOTS - 1}" ]; do usleep 5000; done
mount -t virtiofs stage /stage
read -r now < /stage/config/now && date -s "@$now" >/dev/null
ip link set lo up
. /stage/config/network.sh
exec 3<>"${{port}}{CONTROL_PORT}"
say() {{ echo "$*" >&3; }}

launch() {{
  slot=$1 token=$2 tty=$3 input=$4 file=$5
  pid=/run/$slot.pid log=/run/$slot.log done=/run/$slot.done
  rm -f $pid $log $done
  if [ $slot = 0 ]; then set -- run --no-pivot --bundle /stage/config --pid-file $pid container
  else set -- exec --process /stage/config/$file --pid-file $pid container; fi
  number=$((2 + 3 * slot))
  if [ $tty = 0 ]; then
    (: >$port$((number + 1)) >$port$((number + 2))) 2>/dev/null || {{ say failed $slot {BUSY}; return; }}
    exec 5>$port$((number + 1)) 6>$port$((number + 2)) 4</dev/null
    if [ $input = 1 ]; then
      exec 4<$port$number
      until read -r go <&4; do usleep 2000; done
    fi
  fi
  (until [ -s $pid ] || [ -e $done ]; do usleep 5000; done; [ -s $pid ] && say started $slot) &
  if [ $tty = 0 ]; then
    crun --log $log "$@" <&4 >&5 2>&6 3>&- 4<&- 5>&- 6>&-
    code=$?
  else
    terminal=/dev/hvc$slot
    setsid -c crun --log $log "$@" <$terminal >$terminal 2>&1 3>&-
    code=$?
    exec 5>$terminal 6>/dev/null
  fi
  touch $done
  sync
  grep -q '^oom_kill [1-9]' /sys/fs/cgroup/box/memory.events 2>/dev/null && say oom
  if [ -s $pid ]; then
    printf %s $token >&5
    printf %s $token >&6
    say exit $slot $code
  else
    say failed $slot "$(tail -n 1 $log)"
  fi
}}

say ready
while :; do
  read -r verb slot one two three four <&3 || {{ usleep 10000; continue; }}
  case $verb in
    run|exec) launch $slot $one $two $three $four & ;;
    kill) [ -s /run/$slot.pid ] && kill -$one $(cat /run/$slot.pid) ;;
    size) stty -F /dev/hvc$slot rows $one cols $two ;;
  esac
done
"""
