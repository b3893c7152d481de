"""Works on each record exactly once: a consumer group, and a position that is kept beside the work.

Made and run as ``chancery_client.py``, which see:

    PYTHONPATH=stubs venv/bin/python exactly_once.py 127.0.0.1:4710 letters.db

The archive delivers each record at least once. Here a letter is written for each, into a table of SQLite; the position goes into
another table in the same transaction. Where this program dies between its work and its acknowledgement the record comes again, is
found there, and is acknowledged without a second letter. ``--die-at N`` shows it: the program ends after the Nth letter and before
its acknowledgement. Run it again, without.
"""

import argparse
import os
import sqlite3
import sys

import grpc
from chancery.v1 import subscriptions_pb2, subscriptions_pb2_grpc

GROUP = "letters"
# More than this consumer works on in its time would come to another one.
TAKEN = 20


def open_database(path):
    database = sqlite3.connect(path)
    database.executescript(
        """
        CREATE TABLE IF NOT EXISTS done (position INTEGER PRIMARY KEY);
        CREATE TABLE IF NOT EXISTS letters (position INTEGER, title TEXT);
        """
    )
    return database


def work(database, position, title):
    """One transaction: the letter and the position, both or neither. Says whether there was anything to do."""
    with database:
        new = database.execute("INSERT OR IGNORE INTO done (position) VALUES (?)", (position,)).rowcount
        if new:
            database.execute("INSERT INTO letters (position, title) VALUES (?, ?)", (position, title))
    return bool(new)


def consume(calls, database, die_at):
    """Works until nothing is left, also of what was delivered to one that died: it comes again when its time is over."""
    written = repeated = 0
    while calls.GetGroup(subscriptions_pb2.GetGroupRequest(name=GROUP)).lag:
        request = subscriptions_pb2.PullRequest(group=GROUP, consumer="writer", max=TAKEN, wait_ms=5_000)
        for delivery in calls.Pull(request).deliveries:
            record = delivery.record
            if work(database, record.position, record.payload.content.title):
                written += 1
            else:
                repeated += 1
            if written and written == die_at:
                print(f"dead after letter {written}, before its acknowledgement", flush=True)
                # Nothing of this process is tidied up.
                os._exit(1)
            calls.Ack(subscriptions_pb2.AckRequest(group=GROUP, consumer="writer", positions=[record.position]))
    return written, repeated


def main():
    arguments = argparse.ArgumentParser(description="Writes a letter for each event, exactly once.")
    arguments.add_argument("server", nargs="?", default="127.0.0.1:4710")
    arguments.add_argument("database", nargs="?", default="letters.db")
    arguments.add_argument("--filter", default="kind = event")
    arguments.add_argument("--die-at", type=int, default=0)
    arguments = arguments.parse_args()
    with grpc.insecure_channel(arguments.server) as channel:
        calls = subscriptions_pb2_grpc.SubscriptionsStub(channel)
        # Where there is one with these settings it goes on with that.
        calls.CreateGroup(
            subscriptions_pb2.CreateGroupRequest(
                name=GROUP,
                filter=arguments.filter,
                records_only=True,
                ack_timeout_ms=1_000,
                **{"from": subscriptions_pb2.SubscribeFrom(start=True)},
            )
        )
        database = open_database(arguments.database)
        written, repeated = consume(calls, database, arguments.die_at)
        letters, positions = database.execute("SELECT count(*), count(DISTINCT position) FROM letters").fetchone()
        print(f"{letters} letters for {positions} records, {written} of them now; {repeated} had one already")
        if letters != positions:
            sys.exit("a record has two letters")


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as refused:
        # As a group of this name with another filter is.
        sys.exit(f"the archive refused: {refused.details()}")
