"""Asks DuckDB, and runs processes, as the lines of JSON on standard input say; a line each answers."""

import json
import os
import sys
import time

import duckdb


def main():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for line in sys.stdin:
        asked = json.loads(line)
        answer = ANSWERS[asked["do"]](connection, asked)
        print(json.dumps(answer), flush=True)


def events(connection, asked):
    connection.execute(f"SET threads = {asked['threads']}")
    path = asked["path"].replace("'", "''")
    connection.execute(f"CREATE OR REPLACE VIEW events AS SELECT * FROM read_parquet('{path}')")
    return {"version": duckdb.__version__}


def rows(connection, asked):
    return {"rows": connection.execute(asked["sql"]).fetchall()}


def cost(connection, asked):
    """The answer is made as Arrow, in which kymo gives its own as well."""
    began, cpu = time.perf_counter(), time.process_time()
    table = connection.sql(asked["sql"]).to_arrow_table()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    return {"cpu": cpu, "wall": wall, "rows": table.num_rows}


def run(_, asked):
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    began = time.perf_counter()
    child = os.posix_spawnp(asked["argv"][0], asked["argv"], os.environ, file_actions=actions)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - began
    os.close(output)
    return {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
    }


ANSWERS = {"events": events, "rows": rows, "cost": cost, "run": run}

if __name__ == "__main__":
    main()
