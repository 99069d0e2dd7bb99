"""The termineter client as a program: a JSON line in, a JSON line out, until the input ends.

termineter is BSD-3-Clause; it runs as a process of its own like every foreign client here, so that nothing of
it can be mistaken for ours. Its known mistakes are left as they are and looked around by the test.

    {"do": "open", "port": "/dev/pts/3", "order": "little", "packet_octets": 256, "packets": 8}
    {"do": "logon", "user": "bench", "user_id": 1, "password": "..."}       null: no password
    {"do": "read", "table": 23, "offset": 1, "count": 6}                    {"do": "general"}
    {"do": "write", "table": 6, "offset": 170, "data": "41"}                {"do": "log"}
    {"do": "procedure", "number": 70, "manufacturer": true, "arguments": "00"}
    {"do": "time", "table": 5, "reads": 400, "warm_up": 5}                  full reads, timed here
    {"do": "close"}
"""

import json
import logging
import sys
import time

from c1218.connection import Connection
from c1219.access.general import C1219GeneralAccess
from c1219.access.log import C1219LogAccess

SERIAL = {
    "parity": "N",
    "baudrate": 9600,
    "bytesize": 8,
    "stopbits": 1,
    "xonxoff": False,
    "rtscts": False,
    "dsrdtr": False,
    "interCharTimeout": None,
    "timeout": 5,
    "writeTimeout": None,
}


class Client:
    """One connection at a time."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("nothing is open")
        return self._connection

    def open(self, port: str, order: str, packet_octets: int, packets: int) -> dict:
        self.close()
        self._connection = Connection(
            port, c1218_settings={"pktsize": packet_octets, "nbrpkts": packets}, serial_settings=SERIAL
        )
        self._connection.set_table_cache_policy(False)
        self._connection.c1219_endian = ">" if order == "big" else "<"
        return {"started": self._connection.start()}

    def logon(self, user: str, user_id: int, password: str | None) -> dict:
        octets = None if password is None else password.encode()
        return {"granted": self.connection.login(user, user_id, octets)}

    def read(self, table: int, offset: int | None = None, count: int | None = None) -> dict:
        return {"data": self.connection.get_table_data(table, count, offset).hex()}

    def time(self, table: int, reads: int, warm_up: int) -> dict:
        read = self.connection.get_table_data
        for _ in range(warm_up):
            read(table)
        began_s, cpu_s = time.perf_counter(), time.process_time()  # noqa: TID251
        for _ in range(reads):
            data = read(table)
        return {
            "seconds": time.perf_counter() - began_s,  # noqa: TID251
            "cpu_seconds": time.process_time() - cpu_s,
            "data": data.hex(),
        }

    def write(self, table: int, data: str, offset: int | None = None) -> dict:
        self.connection.set_table_data(table, bytes.fromhex(data), offset)
        return {}

    def procedure(self, number: int, manufacturer: bool, arguments: str) -> dict:
        result, data = self.connection.run_procedure(number, manufacturer, bytes.fromhex(arguments))
        return {"result": result, "data": bytes(data).hex()}

    def general(self) -> dict:
        said = C1219GeneralAccess(self.connection)
        names = (
            "manufacturer", "ed_model", "hw_version_no", "hw_revision_no", "fw_version_no", "fw_revision_no",
            "mfg_serial_no", "device_id", "std_version_no", "ed_mode", "std_status", "std_tbls_used",
            "mfg_tbls_used", "std_proc_used", "mfg_proc_used",
        )  # fmt: skip
        return {name: getattr(said, name) for name in names}

    def log(self) -> dict:
        entries = [dict(entry) for entry in C1219LogAccess(self.connection).logs]
        for entry in entries:
            entry["Arguments"] = entry["Arguments"].hex()
        return {"entries": entries}

    def close(self) -> dict:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.stop(force=True)
            finally:
                connection.serial_h.close()
        return {}


def main() -> None:
    logging.disable(logging.CRITICAL)
    client = Client()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(client, request.pop("do"))(**request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side wants to know
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)
    client.close()


if __name__ == "__main__":
    main()
