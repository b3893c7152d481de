"""Works on each record exactly once: a consumer group, and the record's name that is kept beside the work.

Made and run as ``chancery_client.py``, which see:

    PYTHONPATH=stubs venv/bin/python exactly_once.py 127.0.0.1:4710 letters.db

The archive delivers each record at least once. Here a letter is written for each event, into a table of SQLite; the commitment of
the record goes into another table in the same transaction. Where this program dies between its work and its acknowledgement the
record comes again, is found there, and is acknowledged without a second letter. ``--die-at N`` shows it: the program ends after the
Nth letter and before its acknowledgement. Run it again, without.

A record is known by its commitment, which 32 random bytes go into: no other record has it. A position alone would not do, since
another archive has the same positions, and so has one that was put back from an older copy, with other records.
"""

import argparse
import os
import sqlite3
import sys

import grpc
from chancery.v1 import subscriptions_pb2, subscriptions_pb2_grpc

GROUP = "letters"
# What first records an event. `kind = event` alone lets its corrections through too, each a record of its own, and what is only
# said about it, as RETRACT or LINK: none is another event. It takes records_only, by which each record is judged by itself; who
# follows changes is told of what becomes of an event later, as kept_copy.py is.
FILTER = "kind = event AND act = create"
# A process that dies counts as a delivery of all that it has taken, and a record that was delivered too often is parked. So that
# only the one that it died of comes nearer to that, no others are taken with it.
TAKEN = 1


def open_database(path):
    database = sqlite3.connect(path)
    database.executescript(
        """
        CREATE TABLE IF NOT EXISTS done (record BLOB PRIMARY KEY);
        CREATE TABLE IF NOT EXISTS letters (record BLOB, title TEXT);
        """
    )
    return database


def work(database, record, title):
    """One transaction: the letter and the record's name, both or neither. Says whether there was anything to do."""
    with database:
        new = database.execute("INSERT OR IGNORE INTO done (record) VALUES (?)", (record,)).rowcount
        if new:
            database.execute("INSERT INTO letters (record, title) VALUES (?, ?)", (record, title))
    return bool(new)


def consume(calls, database, die_at):
    """Works until nothing is left, also of what was delivered to one that died: it comes again when its time is over."""
    written = repeated = silent = 0
    while (group := calls.GetGroup(subscriptions_pb2.GetGroupRequest(name=GROUP))).lag:
        request = subscriptions_pb2.PullRequest(group=GROUP, consumer="writer", max=TAKEN, wait_ms=5_000)
        deliveries = calls.Pull(request).deliveries
        if group.parked and not deliveries:
            # So much is parked that the group waits for somebody to look.
            break
        for delivery in deliveries:
            record = delivery.record
            if not record.payload.HasField("content"):
                # Its content was erased since; or another filter takes acts without content: nothing to write about.
                silent += 1
            elif work(database, record.leaf.commitment, record.payload.content.title):
                written += 1
            else:
                repeated += 1
            if written and written == die_at:
                print(f"dead after letter {written}, before its acknowledgement", flush=True)
                # Nothing of this process is tidied up.
                os._exit(1)
            calls.Ack(subscriptions_pb2.AckRequest(group=GROUP, consumer="writer", positions=[record.position]))
    return written, repeated, silent


def check_parked(calls):
    """What is parked counts as done for the group, and nobody has worked on it: that is no success."""
    answer = calls.ListParked(subscriptions_pb2.ListParkedRequest(group=GROUP, max=10))
    if answer.total:
        some = ", ".join(str(parked.position) for parked in answer.parked)
        more = " and others" if answer.total > len(answer.parked) else ""
        sys.exit(
            f"parked, perhaps without a letter: {answer.total}, at {some}{more}; see why: chancery group parked {GROUP}; "
            f"have them delivered again: chancery group replay {GROUP}"
        )


def main():
    arguments = argparse.ArgumentParser(description="Writes a letter for each event, exactly once.")
    arguments.add_argument("server", nargs="?", default="127.0.0.1:4710")
    arguments.add_argument("database", nargs="?", default="letters.db")
    arguments.add_argument("--filter", default=FILTER)
    arguments.add_argument("--die-at", type=int, default=0, help="end after so many letters; there must be so many events")
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
        written, repeated, silent = consume(calls, database, arguments.die_at)
        letters, records = database.execute("SELECT count(*), count(DISTINCT record) FROM letters").fetchone()
        print(f"{letters} letters for {records} records, {written} of them now; {repeated} had one already")
        if silent:
            print(f"no letter for {silent} without content")
        if letters != records:
            sys.exit("a record has two letters")
        check_parked(calls)


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            sys.exit(f"no archive answers: {error.details()}; start one: chancery serve")
        # As a group of this name with another filter is.
        sys.exit(f"the archive refused: {error.details()}")
