"""A Slurm cluster on this machine: munged, slurmctld and a slurmd a node, in a folder of their own.

As a program it says what it lacks, and ends with 1 where that is anything.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")

CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
MpiDefault=none
MinJobAge=3600
KillWait=2
"""


def missing() -> list[str]:
    """What a cluster would need and is not here."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    lacks = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    return lacks + (["the rights of root"] if os.geteuid() else [])


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """Ends all its processes when the `with` block ends, however that is."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self.folder, self.nodes = folder, [f"n{i + 1}" for i in range(nodes)]
        self.env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.env["PATH"] = os.pathsep.join([str(folder / "bin"), os.environ["PATH"], "/usr/sbin"])
        self.daemons: list[subprocess.Popen] = []

    def daemon(self, *words: str) -> None:
        """In the foreground, so that it is a child of this program and ends with it."""
        self.daemons.append(subprocess.Popen(words, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def call(self, *words: str) -> str:
        return subprocess.run(words, check=True, env=self.env, text=True, capture_output=True).stdout

    def __enter__(self) -> "Cluster":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self) -> None:
        folder, host = self.folder, socket.gethostname()
        for name in ("state", *(f"spool.{node}" for node in self.nodes)):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        # Within a job the plugin takes SLURM_CONF away: clusters have theirs in /etc.
        srun = folder / "bin/srun"
        srun.parent.mkdir()
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        port, *ports = free_ports(1 + len(self.nodes))
        text = CONFIG.format(host=host, port=port, folder=folder)
        for node, port in zip(self.nodes, ports):
            text += f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=8000\n"
        text += "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        (folder / "slurm.conf").write_text(text)
        munge = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid"}
        munge |= {"seed-file": "munge.seed", "log-file": "munged.log"}
        self.daemon("munged", "-F", "--force", *(f"--{flag}={folder / name}" for flag, name in munge.items()))
        deadline = time.monotonic() + 30
        while not (folder / "munge.socket").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.daemon("slurmctld", "-D", "-c")
        for node in self.nodes:
            self.daemon("slurmd", "-D", "-N", node)
        while (states := self.states()) != ["idle"] * len(self.nodes):
            if time.monotonic() > deadline:
                logs = "".join(f"--- {log.name}\n{log.read_text()}" for log in folder.glob("*.log"))
                raise RuntimeError(f"Slurm's nodes are {states} and not idle\n{logs}")
            time.sleep(0.3)

    def states(self) -> list[str]:
        done = subprocess.run(["sinfo", "-h", "-N", "-o", "%T"], env=self.env, text=True, capture_output=True)
        return done.stdout.split()

    def jobs(self) -> list[dict[str, str]]:
        rows = self.call("squeue", "-h", "--states=all", "-o", "%i|%T|%N|%k").splitlines()
        return [dict(zip(("id", "state", "node", "comment"), row.split("|", 3))) for row in rows]

    def lose(self, node: str) -> None:
        """A node that goes away, with all that runs on it: nothing there reports how it ended."""
        for pid in self.daemons_of(node):
            os.kill(pid, signal.SIGKILL)
        self.call("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")
        self.kill(node)

    def daemons_of(self, node: str) -> list[int]:
        return [d.pid for d in self.daemons if d.poll() is None and d.args == ("slurmd", "-D", "-N", node)]

    def kill(self, node: str) -> None:
        """The node's slurmd and whatever it has started: what has its name in its environment."""
        pids = self.daemons_of(node)
        ours, name = f"SLURM_CONF={self.folder}/slurm.conf".encode(), f"SLURMD_NODENAME={node}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if ours in words and name in words:
                pids.append(int(process.name))
        for one in pids:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            self.kill(node)
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


if __name__ == "__main__":
    print(", ".join(missing()))
    sys.exit(bool(missing()))
