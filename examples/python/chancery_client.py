"""Appends a small batch, reads it back, and follows the archive, resuming after a cut.

Run it against a daemon (``chancery serve``), from this folder:

    python3 -m venv venv && venv/bin/pip install grpcio grpcio-tools
    mkdir -p stubs
    venv/bin/python -m grpc_tools.protoc -I ../../proto --python_out=stubs --grpc_python_out=stubs \
        ../../proto/chancery/v1/*.proto
    PYTHONPATH=stubs venv/bin/python chancery_client.py 127.0.0.1:4710

Copy what you need: each function is one thing that a client does.
"""

import random
import sys
import threading
import time
import uuid

import grpc
from chancery.v1 import archive_pb2, archive_pb2_grpc, record_pb2, subscriptions_pb2, subscriptions_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

SERIES = "example-python"
# The filter language: meetings of these two countries, whoever stands first.
FILTER = f"series = {SERIES} AND dyad = PAK-IRN"

ATTEMPTS_MAX = 10
# Where asking again may bring another answer to whoever only reads.
MAY_HEAL = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
# A heartbeat comes after 10 s, unless `heartbeat_ms` says otherwise: whoever hears nothing three times as long hears nobody.
SILENCE = 30

OPTIONS = [
    # Only a list without pages, as that of the series of an archive, may be larger than the default of 4 MiB.
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


def talks(title, countries):
    return archive_pb2.AppendRecord(
        act=record_pb2.ACT_CREATE,
        series=SERIES,
        # No key: the server makes a random one and answers it.
        payload=record_pb2.Payload(content=meeting(title, countries)),
    )


def pause(attempt):
    """A part of each wait is left to chance, so that clients that lost the same server do not come back all at once."""
    time.sleep(min(0.1 * 2**attempt, 5) * random.uniform(0.5, 1))


def fields(message):
    """The fields of a message whose type is not at hand: Empty knows none of them."""
    return [(field.field_number, field.data) for field in UnknownFieldSet(Empty.FromString(message))]


def reason(error):
    """The reason in the ``google.rpc.ErrorInfo`` of an error, as docs/errors.md has it; None where the server did not answer.

    With the package grpcio-status the same is ``rpc_status.from_call(error).details``.
    """
    status = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for number, detail in fields(status):
        detail = dict(fields(detail)) if number == 3 else {}
        if detail.get(1) == b"type.googleapis.com/google.rpc.ErrorInfo":
            return dict(fields(detail[2]))[1].decode()
    return None


def is_open(error):
    """Whether a batch may have been written although its call failed, or the server will take it a moment later.

    The server gives a reason with every error. One without was made on the way: by a time that is over, a lost connection, a proxy.
    """
    return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN) or reason(error) is None


def append(archive, request):
    """One batch is recorded whole or not at all. The answer comes once it is on disk.

    Where the answer is lost the same batch is sent again under the same id: it is recorded once. What the server refused is
    not sent again. A program that may crash before it has the answer keeps the id with the batch.
    """
    request.request_id = request.request_id or uuid.uuid4().bytes
    for attempt in range(ATTEMPTS_MAX + 1):
        try:
            return archive.Append(request, timeout=10)
        except grpc.RpcError as error:
            if not is_open(error) or attempt == ATTEMPTS_MAX:
                raise
            pause(attempt)


def show_receipts(receipts):
    for receipt in receipts:
        outcome = archive_pb2.Outcome.Name(receipt.outcome).removeprefix("OUTCOME_").lower()
        print(f"  {outcome} at position {receipt.position}, revision {receipt.revision}")


def read_back(archive, receipts):
    """Reads records by position; `from` and `until` read a range, `filter` what matches."""
    request = archive_pb2.ReadRequest(positions=[receipt.position for receipt in receipts])
    for response in archive.Read(request, timeout=10):
        for record in response.records:
            print(f"  {record.position} {record.leaf.series}/{record.leaf.key[:8]}... {about(record)}")


def amend(archive, receipt):
    """A correction is the whole new content, for the revision that it was made from."""
    record = talks("Talks on the border markets, second day", ["PAK", "IRN"])
    record.act = record_pb2.ACT_AMEND
    record.key = receipt.key
    record.reason = "corrected"
    # If somebody else was faster, the answer is ABORTED and nothing is overwritten.
    record.expected_revision = receipt.revision
    append(archive, archive_pb2.AppendRequest(records=[record]))


def messages(call):
    """What comes on a call, which is cancelled where nothing does: a server that is gone without a word ends no call."""
    while True:
        silent = threading.Timer(SILENCE, call.cancel)
        silent.start()
        try:
            message = next(call, None)
        finally:
            silent.cancel()
        if message is None:
            return
        yield message


class SkippedError(Exception):
    """A batch does not begin where the one before ended, which the server never lets happen."""


class Reader:
    """Follows the archive over any number of connections, and checks that no position was skipped.

    Keep the ``resume_token`` and the ``scanned_through`` of a batch in the same transaction as the work on all of its records: a
    token stands behind its whole batch, never within it. After a crash, a new Reader with the two goes on exactly there, as
    kept_copy.py does.
    """

    def __init__(self, subscriptions, filter, start=0, token=b""):
        self.subscriptions = subscriptions
        self.filter = filter
        self.next = start
        self.token = token
        self.call = None
        self.failures = 0

    def batches(self):
        """Yields batch by batch, for ever, also those in which nothing matched. Where the connection is lost it resumes.

        Whoever asks for the next batch is done with the one before.
        """
        while True:
            try:
                yield from self.batches_of_one_connection()
                why = "the server stops"
            except grpc.RpcError as error:
                # A token of another archive or a filter that cannot be read will not become better.
                if error.code() not in MAY_HEAL or self.failures == ATTEMPTS_MAX:
                    raise
                why = error.details()
            print(f"  cut ({why}); resuming at {self.next}")
            pause(self.failures)
            self.failures += 1

    def batches_of_one_connection(self):
        if self.token:
            start = subscriptions_pb2.SubscribeFrom(resume_token=self.token)
        else:
            start = subscriptions_pb2.SubscribeFrom(position=self.next)
        # `from` is a word of Python, so that it cannot be written as a keyword argument.
        request = subscriptions_pb2.SubscribeRequest(**{"from": start, "filter": self.filter})
        self.call = self.subscriptions.Subscribe(request)
        try:
            for response in messages(self.call):
                # "draining" announces the end of this connection; "fell_behind" and "heartbeat" need nothing.
                kind = response.WhichOneof("message")
                if kind == "started":
                    # The server is there, and may have nothing to say for a long time.
                    self.failures = 0
                elif kind == "batch":
                    self.check(response.batch)
                    yield response.batch
                    # Only now: moved earlier, it would lead past records that were not handled.
                    self.next = response.batch.scanned_through
                    self.token = response.batch.resume_token
        finally:
            self.call.cancel()

    def check(self, batch):
        """Each batch begins where the one before ended, also where nothing in between matched."""
        if batch.first_scanned != self.next:
            raise SkippedError(f"expected {self.next}, the batch begins at {batch.first_scanned}")


def about(record):
    """What a record says, or where it says nothing, as a RETRACT, a LINK or an ERASE, which entry it is about."""
    if record.payload.HasField("content"):
        return record.payload.content.title
    act = record_pb2.Act.Name(record.leaf.act).removeprefix("ACT_").lower()
    return f"{record.leaf.series}/{record.leaf.key[:8]}... by {act}"


def show(batch):
    print(f"  scanned {batch.first_scanned}..{batch.scanned_through}")
    for record in batch.records:
        change = archive_pb2.Change.Name(record.change).removeprefix("CHANGE_").lower()
        print(f"    {record.position} {change} {about(record)}")


def main():
    server = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:4710"
    with grpc.insecure_channel(server, options=OPTIONS) as channel:
        archive = archive_pb2_grpc.ArchiveStub(channel)
        subscriptions = subscriptions_pb2_grpc.SubscriptionsStub(channel)
        status = archive.GetStatus(archive_pb2.GetStatusRequest(), timeout=10)
        print(f"connected to {status.origin} at tail {status.tail}")

        request = archive_pb2.AppendRequest(
            records=[
                talks("Talks on the border markets", ["PAK", "IRN"]),
                talks("Talks on the river commission", ["PAK", "IND"]),
            ]
        )
        append(archive, request)
        receipts = append(archive, request).receipts
        show_receipts(receipts)
        print("sent twice, recorded once; read back:")
        read_back(archive, receipts)

        print(f"following {FILTER}:")
        reader = Reader(subscriptions, FILTER, start=status.tail)
        for batch in reader.batches():
            show(batch)
            changes = [record.change for record in batch.records]
            if archive_pb2.CHANGE_ENTERS in changes:
                # The connection is lost, and the first event corrected meanwhile: the subscription will tell.
                reader.call.cancel()
                amend(archive, receipts[0])
            if archive_pb2.CHANGE_STAYS in changes:
                break
        print("every range joined the one before: no position was skipped")


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"error: {error.details()} ({error.code().name})")
