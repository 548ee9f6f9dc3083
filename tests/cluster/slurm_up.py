"""A real SLURM on this machine: Debian's packages, a controller and three nodes on loopback, GPUs that only have names.

python tests/cluster/slurm_up.py start FOLDER     prints the line that points SLURM's commands at it
python tests/cluster/slurm_up.py stop FOLDER

Everything lies in FOLDER and is found through SLURM_CONF. Nothing is written to /etc/slurm: a controller that is
configured there and down would make every later start of Snakemake wait for it.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
NODES = ("n1", "n2", "n3")
CPUS_PER_NODE = 8  # more than there are: a node only counts them
MEMORY_PER_NODE_MB = 16000
GPUS_PER_NODE = 2
DEADLINE_S = 60


class NoSlurmError(Exception):
    """SLURM cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class Cluster:
    """The cluster whose files lie in `folder`."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "etc/slurm.conf"

    @property
    def device_log(self) -> Path:
        """What every task saw: start or end, time, job, node, CUDA_VISIBLE_DEVICES."""
        return self.folder / "devices.tsv"

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.configuration), "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def ask(self, *command: str) -> str:
        """What one of SLURM's commands prints."""
        environment = os.environ | self.environment
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def start(self) -> None:
        """Returns when every node is idle; stops what it started when they do not become so."""
        self._write_configuration()
        try:
            self._start_daemons()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends this cluster's daemons and jobs, and nobody else's."""
        if self.configuration.exists() and _alive(self._pid_file("slurmctld")):
            subprocess.run(["scancel", "--full", "--user", "root"], env=os.environ | self.environment, check=False)
            self._until(lambda: not self.ask("squeue", "--noheader").strip(), "jobs do not end", raises=False)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld", "munged"):
            _end(self._pid_file(name))

    def _pid_file(self, name: str) -> Path:
        return self.folder / f"run/{name}.pid"

    def _write_configuration(self) -> None:
        for part in ("bin", "etc", "run", "log", "state", "dev", *(f"spool/{node}" for node in NODES)):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for index in range(GPUS_PER_NODE):
            self._write_device(self.folder / f"dev/gpu{index}")
        for moment in ("start", "end"):
            script = self.folder / f"etc/{moment}.sh"
            seen = "$(date +%s.%N)\\t$SLURM_JOB_ID\\t$SLURMD_NODENAME\\t$CUDA_VISIBLE_DEVICES"
            script.write_text(f'#!/bin/sh\nprintf "{moment}\\t{seen}\\n" >> {self.device_log}\n')
            script.chmod(0o755)
        # The executor's job steps drop SLURM_CONF before they call srun.
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        (self.folder / "etc/munge.key").write_bytes(os.urandom(1024))
        (self.folder / "etc/munge.key").chmod(0o400)
        gpus = f"{self.folder}/dev/gpu[0-{GPUS_PER_NODE - 1}]"
        (self.folder / "etc/gres.conf").write_text(f"AutoDetect=off\nName=gpu File={gpus}\n")
        (self.folder / "etc/cgroup.conf").write_text("CgroupAutomount=no\n")
        self.configuration.write_text(self._slurm_conf())

    def _write_device(self, path: Path) -> None:
        """A second /dev/null: SLURM hands out any character device as a GPU, and asks nothing of it."""
        try:
            path.unlink(missing_ok=True)
            os.mknod(path, stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)
        except PermissionError as error:
            raise NoSlurmError(f"no device file can be made here: {error}") from error

    def _slurm_conf(self) -> str:
        host = socket.gethostname().split(".")[0]
        controller_port, *node_ports = _free_ports(1 + len(NODES))
        nodes = "".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS_PER_NODE}"
            f" CoresPerSocket={CPUS_PER_NODE} RealMemory={MEMORY_PER_NODE_MB} Gres=gpu:{GPUS_PER_NODE}\n"
            for node, port in zip(NODES, node_ports, strict=True)
        )
        return f"""\
ClusterName=twelvelead
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/run/munge.socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self._pid_file("slurmctld")}
SlurmdPidFile={self._pid_file("slurmd-%n")}
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={self.folder}/etc/start.sh
TaskEpilog={self.folder}/etc/end.sh
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=2
MinJobAge=3600
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
{nodes}\
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={NODES[0]},{NODES[1]} MaxTime=INFINITE State=UP
"""

    def _start_daemons(self) -> None:
        environment = os.environ | self.environment
        run, etc = self.folder / "run", self.folder / "etc"
        munged = [f"--key-file={etc}/munge.key", f"--socket={run}/munge.socket", f"--pid-file={run}/munged.pid"]
        munged += [f"--log-file={self.folder}/log/munged.log", f"--seed-file={run}/munge.seed"]
        daemons = {"munged": ["munged", "--force", *munged], "slurmctld": ["slurmctld"]}
        daemons |= {f"slurmd-{node}": ["slurmd", "-N", node] for node in NODES}
        for name, command in daemons.items():
            log = self.folder / f"log/{name}.start.log"
            with log.open("w") as stream:  # not a pipe, which the daemon would keep open
                status = subprocess.run(command, env=environment, stdout=stream, stderr=stream, timeout=60).returncode
            if status:
                raise RuntimeError(f"{name} does not start: {log.read_text().strip()[-300:]}")
        self._until(self._every_node_is_idle, f"nodes are not idle after {DEADLINE_S} s; see {self.folder}/log")

    def _every_node_is_idle(self) -> bool:
        try:
            states = self.ask("sinfo", "--noheader", "--Node", "--partition=cpu", "--format=%t").split()
        except RuntimeError:
            return False  # the controller does not answer yet
        return states == ["idle"] * len(NODES)

    def _until(self, condition, complaint: str, raises: bool = True) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                if raises:
                    raise RuntimeError(complaint)
                return
            time.sleep(0.2)


def install() -> None:
    """Debian's packages, unless they are there; NoSlurmError where that cannot be."""
    if os.getuid():
        raise NoSlurmError("a cluster on one machine needs root")
    if all(map(shutil.which, PROGRAMS)):
        return
    if not shutil.which("apt-get"):
        raise NoSlurmError("SLURM is not installed, and there is no apt-get to install it with")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = _without_services(["apt-get", "--quiet", *arguments], environment)
        if done.returncode:
            raise NoSlurmError(f"apt-get {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def _without_services(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
    """Runs apt-get while a policy keeps packages from starting their daemons: the cluster starts its own."""
    policy = Path("/usr/sbin/policy-rc.d")
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    finally:
        if own:
            policy.unlink()


def _free_ports(how_many: int) -> list[int]:
    sockets = [socket.socket() for _ in range(how_many)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _alive(pid_file: Path) -> bool:
    try:
        state = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return False
    return state != "Z"  # in a container nobody may reap what has ended


def _end(pid_file: Path) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 10
        if _alive(pid_file):
            os.kill(int(pid_file.read_text()), how)
        while _alive(pid_file) and time.monotonic() < deadline:
            time.sleep(0.1)
    pid_file.unlink(missing_ok=True)


def main(arguments: list[str]) -> None:
    if len(arguments) != 2 or arguments[0] not in ("start", "stop"):
        sys.exit(__doc__)
    cluster = Cluster(Path(arguments[1]).resolve())
    if arguments[0] == "stop":
        cluster.stop()
        return
    try:
        install()
        cluster.start()
    except (NoSlurmError, RuntimeError) as error:
        sys.exit(f"Error: {error}")
    print("export", *(f"{name}={value}" for name, value in cluster.environment.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
