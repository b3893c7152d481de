"""Keeps a copy of what matches a filter in SQLite, and goes on where it stood, whenever it was ended.

Made and run as ``chancery_client.py``, which see:

    PYTHONPATH=stubs venv/bin/python kept_copy.py 127.0.0.1:4710 copy.db

All that a batch changes in the copy, and the place behind the batch, are kept in one transaction: both or neither. Where this
program dies in the middle of a batch none of it is kept, and the next run begins with that batch. ``--die-at N`` shows it: the
program ends after the Nth record, within the transaction. Run it again, without.
"""

import argparse
import os
import sqlite3
import sys

import grpc
from chancery.v1 import archive_pb2, archive_pb2_grpc, record_pb2, subscriptions_pb2_grpc

from chancery_client import OPTIONS, Reader


def open_database(path):
    database = sqlite3.connect(path)
    # What was erased by law leaves the pages of the file too.
    database.execute("PRAGMA secure_delete = ON")
    database.executescript(
        """
        CREATE TABLE IF NOT EXISTS copy (series TEXT, key TEXT, title TEXT, PRIMARY KEY (series, key));
        CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY, filter TEXT, next INTEGER, token BLOB, records INTEGER);
        """
    )
    return database


def place_of(database, filter):
    """Where the copy stands, and how many records it was made of; at the start where there is none yet."""
    place = database.execute("SELECT filter, next, token, records FROM place").fetchone() or (filter, 0, b"", 0)
    if place[0] != filter:
        sys.exit(f"this is a copy of `{place[0]}`; name another file for one of `{filter}`")
    return place[1:]


def content_after(archive, record):
    """The content that the entry has after a record that says none; none of it where it was erased since."""
    request = archive_pb2.GetEntryRequest(
        entry=archive_pb2.EntryName(position=record.position), as_of=archive_pb2.AsOf(position=record.position + 1)
    )
    return archive.GetEntry(request, timeout=10).entry.record.payload


def take(archive, database, record):
    """Does to the copy what a record tells: what enters is put in, what stays is replaced, what leaves is removed."""
    entry = (record.leaf.series, record.leaf.key)
    payload = record.payload
    if record.change == archive_pb2.CHANGE_LEAVES:
        # Retracted, erased, or corrected to something else. An ERASE comes whatever the filter is: there may be nothing to remove.
        database.execute("DELETE FROM copy WHERE (series, key) = (?, ?)", entry)
        return
    if not payload.HasField("content") and record.change == archive_pb2.CHANGE_ENTERS:
        # An act without content, as REINSTATE: the entry is back with the content that it has.
        payload = content_after(archive, record)
    if payload.HasField("content"):
        database.execute("INSERT OR REPLACE INTO copy VALUES (?, ?, ?)", (*entry, payload.content.title))
    # Else an act without content, as LINK, by which the entry keeps the one that it has.


def follow(archive, reader, database, records, until, die_at):
    """Answers how many records the copy was made of, in all, once it is where the archive ended when this began."""
    if reader.next == until:
        return records
    taken = 0
    for batch in reader.batches():
        with database:  # one transaction: the whole batch and the place behind it, or nothing
            for record in batch.records:
                take(archive, database, record)
                taken += 1
                if taken == die_at:
                    act = record_pb2.Act.Name(record.leaf.act).removeprefix("ACT_").lower()
                    print(f"dead after record {taken}, {act} at {record.position}, before its batch was kept", flush=True)
                    # Nothing of this process is tidied up.
                    os._exit(1)
            records += len(batch.records)
            place = (reader.filter, batch.scanned_through, batch.resume_token, records)
            database.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?, ?, ?)", place)
        if batch.scanned_through >= until:
            return records


def main():
    arguments = argparse.ArgumentParser(description="Keeps a copy of what matches, up to where the archive ends now.")
    arguments.add_argument("server", nargs="?", default="127.0.0.1:4710")
    arguments.add_argument("database", nargs="?", default="copy.db")
    arguments.add_argument("--filter", default="kind = event")
    arguments.add_argument("--die-at", type=int, default=0, help="end in the middle of a batch, after so many records")
    arguments = arguments.parse_args()
    with grpc.insecure_channel(arguments.server, options=OPTIONS) as channel:
        archive = archive_pb2_grpc.ArchiveStub(channel)
        database = open_database(arguments.database)
        start, token, records = place_of(database, arguments.filter)
        print(f"goes on at {start}")
        reader = Reader(subscriptions_pb2_grpc.SubscriptionsStub(channel), arguments.filter, start, token)
        until = archive.GetStatus(archive_pb2.GetStatusRequest(), timeout=10).tail
        total = follow(archive, reader, database, records, until, arguments.die_at)
        entries = database.execute("SELECT count(*) FROM copy").fetchone()[0]
        print(f"{total - records} of {total} records now; {entries} entries in the copy")


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"error: {error.details()} ({error.code().name})")
