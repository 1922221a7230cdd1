"""A real Kafka broker of one's own: formatted, started on loopback, killed and started again."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / ".services" / "kafka" / "lib"
_READY_S = 60.0
_STOP_S = 20.0

Result = TypeVar("Result")

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
default.replication.factor=1
min.insync.replicas=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=10000000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
"""

_LOG4J = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="warn">
  <Appenders>
    <Console name="out" target="SYSTEM_OUT"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console>
  </Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


def missing() -> str | None:
    """Say what is missing to run a broker here; None if nothing is."""
    if shutil.which("java") is None:
        return "java is missing: a JDK 17 or newer is needed (Debian: openjdk-17-jdk-headless)"
    if not any(LIBRARY.glob("kafka_*.jar")):
        return "the Kafka jars are missing: run `make services`"
    return None


def free_port() -> int:
    """Ask the system for a TCP port on loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in a thread of its own, whether or not a loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Broker:
    """One broker with its data in one folder. It keeps its port over `kill` and `start`."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        """Remember where; `start` begins."""
        self.folder = folder
        self.port = port or free_port()
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Where clients begin: HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The same as a value of TWIN_LOG."""
        return f"kafka://{self.bootstrap}"

    @property
    def output(self) -> Path:
        """What the broker prints."""
        return self.folder / "broker.log"

    def start(self) -> None:
        """Start and wait until a client gets metadata. Raises RuntimeError with the last output."""
        properties = self._format()
        heap = ["-Xms128m", "-Xmx384m", "-XX:TieredStopAtLevel=1"]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._java(*heap, main="kafka.Kafka", arguments=[str(properties)]),
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C reaches us, and we stop it in order
            )
        try:
            self._wait_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        end_s = time.monotonic() + _READY_S
        while not run_apart(_answers(self.bootstrap)):
            if process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"the broker did not start:\n{self._last_words()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    @property
    def running(self) -> bool:
        """Say whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def send_signal(self, how: signal.Signals) -> None:
        """Send a signal to its process: SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(how)

    def wait(self) -> int:
        """Wait until it ends by itself."""
        return self._process.wait() if self._process is not None else 0

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _format(self) -> Path:
        data = self.folder / "data"
        properties = self.folder / "server.properties"
        self.folder.mkdir(parents=True, exist_ok=True)
        properties.write_text(
            _PROPERTIES.format(port=self.port, controller_port=self._controller_port, data=data),
            encoding="utf-8",
        )
        (self.folder / "log4j2.xml").write_text(_LOG4J, encoding="utf-8")
        if (data / "meta.properties").exists():
            return properties
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # an id may begin with a dash, which would be taken for another option
        arguments = ["format", f"--cluster-id={cluster}", "-c", str(properties)]
        done = subprocess.run(
            self._java("-Xmx128m", main="kafka.tools.StorageTool", arguments=arguments),
            capture_output=True,
            check=False,
            text=True,
        )
        if done.returncode != 0:
            words = f"{done.stdout}{done.stderr}"
            raise RuntimeError(f"the broker's folder could not be formatted:\n{words}")
        return properties

    def _java(self, *options: str, main: str, arguments: list[str]) -> list[str]:
        java = os.environ.get("JAVA_HOME")
        program = str(Path(java) / "bin" / "java") if java else "java"
        config = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.xml'}"
        return [program, *options, config, "-cp", f"{LIBRARY}/*", main, *arguments]

    def _last_words(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")[-2000:]


async def _answers(bootstrap: str) -> bool:
    """Say whether the broker gives metadata with itself in it: an open port is not enough."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it reports each vain try
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        logging.getLogger("aiokafka").setLevel(logging.NOTSET)
        await client.close()
