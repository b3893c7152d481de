"""Appends a small batch, reads it back, and follows the archive, resuming from a token.

Run it against a daemon (``chancery serve``), from this folder:

    python3 -m venv venv && venv/bin/pip install grpcio grpcio-tools
    mkdir -p stubs
    venv/bin/python -m grpc_tools.protoc -I ../../proto --python_out=stubs --grpc_python_out=stubs \
        ../../proto/chancery/v1/*.proto
    PYTHONPATH=stubs venv/bin/python chancery_client.py 127.0.0.1:4710

Copy what you need: each function is one thing that a client does.
"""

import sys
import uuid

import grpc
from chancery.v1 import archive_pb2, archive_pb2_grpc, record_pb2, subscriptions_pb2, subscriptions_pb2_grpc

SERIES = "example-python"
# The filter language: meetings of these two countries, whoever stands first.
FILTER = f"series = {SERIES} AND dyad = PAK-IRN"

OPTIONS = [
    # Messages are cut below 4 MiB; one record with its payload may be larger than the default allows.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # The largest frame that the server may send: catching up on a large archive is twice as fast.
    ("grpc.http2.max_frame_size", 256 * 1024),
]


def meeting(title, countries):
    """The content of an event, invented for this example. Leave out what you do not know."""
    return record_pb2.Content(
        title=title,
        dates=[record_pb2.Date(role=record_pb2.DATE_ROLE_OCCURRED, edtf="2021-12-01")],
        participants=[
            record_pb2.Participant(
                side=record_pb2.SIDE_PARTY,
                countries=[record_pb2.Country(scheme="iso3", code=code)],
            )
            for code in countries
        ],
    )


def append(archive):
    """One batch is recorded whole or not at all. The answer comes once it is on disk."""
    records = [
        archive_pb2.AppendRecord(
            act=record_pb2.ACT_CREATE,
            series=SERIES,
            # No key: the server makes a random one and answers it.
            payload=record_pb2.Payload(content=meeting(title, countries)),
        )
        for title, countries in [
            ("Talks on the border markets", ["PAK", "IRN"]),
            ("Talks on the river commission", ["PAK", "IND"]),
        ]
    ]
    # The id makes a retry safe: sent again, the same batch gets the first receipts and is recorded once.
    request = archive_pb2.AppendRequest(records=records, request_id=uuid.uuid4().bytes)
    response = archive.Append(request, timeout=10)
    for receipt in response.receipts:
        outcome = archive_pb2.Outcome.Name(receipt.outcome).removeprefix("OUTCOME_").lower()
        print(f"  {outcome} at position {receipt.position}, revision {receipt.revision}")
    return response.receipts


def read_back(archive, receipts):
    """Reads records by position; `from` and `until` read a range, `filter` what matches."""
    request = archive_pb2.ReadRequest(positions=[receipt.position for receipt in receipts])
    for response in archive.Read(request, timeout=10):
        for record in response.records:
            print(f"  {record.position} {record.leaf.series}/{record.leaf.key[:8]}... {title_of(record)}")


def amend(archive, receipt):
    """A correction is the whole new content, for the revision that it was made from."""
    record = archive_pb2.AppendRecord(
        act=record_pb2.ACT_AMEND,
        series=SERIES,
        key=receipt.key,
        payload=record_pb2.Payload(content=meeting("Talks on the border markets, second day", ["PAK", "IRN"])),
        # If somebody else was faster, the answer is ABORTED and nothing is overwritten.
        expected_revision=receipt.revision,
        reason="corrected",
    )
    request = archive_pb2.AppendRequest(records=[record], request_id=uuid.uuid4().bytes)
    return archive.Append(request, timeout=10).receipts[0]


class Reader:
    """Follows the archive and checks that no position was skipped.

    Keep ``token`` and ``next`` together with what you made of the records, in one transaction. After a crash, a new
    Reader with them goes on exactly there.
    """

    def __init__(self, subscriptions, start=0, token=b""):
        self.subscriptions = subscriptions
        self.next = start
        self.token = token

    def records_until_caught_up(self):
        """Yields every matching record up to the tail. Leave out the ``return`` to follow for ever."""
        if self.token:
            start = subscriptions_pb2.SubscribeFrom(resume_token=self.token)
        else:
            start = subscriptions_pb2.SubscribeFrom(position=self.next)
        # `from` is a word of Python, so that it cannot be written as a keyword argument.
        request = subscriptions_pb2.SubscribeRequest(**{"from": start, "filter": FILTER})
        call = self.subscriptions.Subscribe(request)
        try:
            for response in call:
                kind = response.WhichOneof("message")
                if kind == "batch":
                    self.check(response.batch)
                    yield from response.batch.records
                    # Only now: a token kept earlier would lead past records that were not handled.
                    self.next = response.batch.scanned_through
                    self.token = response.batch.resume_token
                elif kind == "started":
                    self.token = response.started.resume_token
                elif kind in ("caught_up", "draining"):
                    return
                # "fell_behind" and "heartbeat" need nothing: no record is ever left out.
        finally:
            call.cancel()

    def check(self, batch):
        """Each batch begins where the one before ended, also where nothing in between matched."""
        if batch.first_scanned != self.next:
            raise RuntimeError(f"skipped: expected {self.next}, the batch begins at {batch.first_scanned}")
        print(f"  scanned {batch.first_scanned}..{batch.scanned_through}")


def title_of(record):
    return record.payload.content.title


def show(record):
    change = archive_pb2.Change.Name(record.change).removeprefix("CHANGE_").lower()
    print(f"    {record.position} {change} {title_of(record)}")


def main():
    server = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:4710"
    with grpc.insecure_channel(server, options=OPTIONS) as channel:
        archive = archive_pb2_grpc.ArchiveStub(channel)
        subscriptions = subscriptions_pb2_grpc.SubscriptionsStub(channel)
        status = archive.GetStatus(archive_pb2.GetStatusRequest(), timeout=10)
        print(f"connected to {status.origin} at tail {status.tail}")

        receipts = append(archive)
        print("read back:")
        read_back(archive, receipts)

        print(f"following {FILTER}:")
        reader = Reader(subscriptions, start=status.tail)
        for record in reader.records_until_caught_up():
            show(record)

        amended = amend(archive, receipts[0])
        print(f"  amended at position {amended.position}")

        # As after a restart: all that is left of the first reader is its place and its token.
        resumed = Reader(subscriptions, start=reader.next, token=reader.token)
        print(f"resumed at {resumed.next}:")
        for record in resumed.records_until_caught_up():
            show(record)
        print(f"scanned {status.tail}..{resumed.next}: no position was skipped")


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"error: {error.details()} ({error.code().name})")
