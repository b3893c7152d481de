/**
 * Appends a small batch, reads it back, follows the archive, resuming after a cut, and works for a consumer group.
 *
 *     chancery serve                      # in one terminal
 *     npm install && npm run build        # in another, in this folder
 *     npm start -- http://127.0.0.1:4710             # gRPC-Web over HTTP/1.1
 *     npm start -- http://127.0.0.1:4710 --http2     # plain gRPC
 *
 * Copy what you need: each function is one thing that a client does.
 */

import { setTimeout as wait } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  type AppendResponse,
  Archive,
  AppendRequestSchema,
  Change,
  Outcome,
  type Receipt,
  type Record,
} from "./generated/chancery/v1/archive_pb.js";
import { Act, ContentSchema, DateRole, Side } from "./generated/chancery/v1/record_pb.js";
import { type Batch, Subscriptions } from "./generated/chancery/v1/subscriptions_pb.js";

const SERIES = "example-typescript";
// The filter language: meetings of these two countries, whoever stands first.
const FILTER = `series = ${SERIES} AND dyad = PAK-IRN`;
const ATTEMPTS_MAX = 10;
// A heartbeat comes after 10 s, unless heartbeatMs says otherwise: whoever hears nothing three times as long hears nobody.
const SILENCE_MS = 30_000;
// Where asking again may bring another answer to whoever only reads.
const MAY_HEAL = [
  Code.Unavailable,
  Code.Unknown,
  Code.Internal,
  Code.Aborted,
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
];

/** Names a batch. A program that may crash before it has the answer keeps the name with the batch. */
const requestId = () => crypto.getRandomValues(new Uint8Array(16));

/** A part of each wait is left to chance, so that clients that lost the same server do not come back all at once. */
const pause = (attempt: number) => wait(Math.min(100 * 2 ** attempt, 5_000) * (0.5 + Math.random() / 2));

/** An event, invented for this example. Leave out what you do not know. */
function meeting(title: string, countries: string[]): MessageInitShape<typeof ContentSchema> {
  return {
    title,
    dates: [{ role: DateRole.OCCURRED, edtf: "2021-12-01" }],
    participants: countries.map((code) => ({ side: Side.PARTY, countries: [{ scheme: "iso3", code }] })),
  };
}

/**
 * Whether a batch may have been written although its call failed, or the server will take it a moment later. The server gives a
 * reason with every error; one without was made on the way: by a time that is over, a lost connection, a proxy.
 */
function isOpen({ code, details }: ConnectError): boolean {
  const hasReason = details.some((detail) => "type" in detail && detail.type === "google.rpc.ErrorInfo");
  return [Code.Unavailable, Code.Unknown].includes(code) || !hasReason;
}

/**
 * One batch is recorded whole or not at all, and the answer comes once it is on disk. Where the answer is lost the same batch is
 * sent again under the same id: it is recorded once. What the server refused is not sent again.
 */
async function append(
  archive: Client<typeof Archive>,
  request: MessageInitShape<typeof AppendRequestSchema>,
): Promise<AppendResponse> {
  const named = create(AppendRequestSchema, { requestId: requestId(), ...request });
  for (let attempt = 0; ; attempt++) {
    try {
      return await archive.append(named, { timeoutMs: 10_000 });
    } catch (error) {
      if (!isOpen(ConnectError.from(error)) || attempt === ATTEMPTS_MAX) throw error;
      await pause(attempt);
    }
  }
}

function showReceipts(response: AppendResponse) {
  for (const receipt of response.receipts) {
    console.log(`  ${Outcome[receipt.outcome].toLowerCase()} at position ${receipt.position}, revision ${receipt.revision}`);
  }
}

/** Reads records by position; `from` and `until` read a range, `filter` what matches. */
async function readBack(archive: Client<typeof Archive>, receipts: Receipt[]) {
  for await (const response of archive.read({ positions: receipts.map((receipt) => receipt.position) })) {
    for (const record of response.records) {
      console.log(`  ${record.position} ${record.leaf?.series}/${record.leaf?.key.slice(0, 8)}... ${about(record)}`);
    }
  }
}

/**
 * Follows the archive over any number of connections, and checks that no position was skipped.
 *
 * Keep the `resumeToken` and the `scannedThrough` of a batch in the same transaction as the work on all of its records: a token
 * stands behind its whole batch, never within it. After a crash, a new Reader with the two goes on exactly there.
 */
class Reader {
  /** Of the connection that there is: aborting it breaks the connection, for this example only. */
  signal = new AbortController();

  constructor(
    private readonly subscriptions: Client<typeof Subscriptions>,
    public next: bigint,
    public token: Uint8Array = new Uint8Array(),
  ) {}

  /**
   * Yields batch by batch, for ever, also those in which nothing matched. Where the connection is lost it resumes. Whoever asks for
   * the next batch is done with the one before.
   */
  async *batches() {
    for (let failures = 0; ; failures++) {
      try {
        yield* this.batchesOfOneConnection(() => (failures = 0));
      } catch (error) {
        // A token of another archive or a filter that cannot be read will not become better.
        const { code, message } = ConnectError.from(error);
        if (error instanceof SkippedError || !MAY_HEAL.includes(code) || failures === ATTEMPTS_MAX) throw error;
        console.log(`  cut (${message}); resuming at ${this.next}`);
      }
      await pause(failures);
    }
  }

  /** Each checked to begin where the one before ended. */
  private async *batchesOfOneConnection(heard: () => void) {
    const signal = (this.signal = new AbortController());
    const from = this.token.length
      ? ({ case: "resumeToken", value: this.token } as const)
      : ({ case: "position", value: this.next } as const);
    const call = this.subscriptions.subscribe({ from: { from }, filter: FILTER }, { signal: signal.signal });
    // A server that is gone without a word ends no call.
    const watch = () => setTimeout(() => signal.abort(), SILENCE_MS);
    let silent = watch();
    try {
      for await (const { message } of call) {
        clearTimeout(silent);
        // With "started" too: the server is there, and may have nothing to say for a long time.
        heard();
        if (message.case === "batch") {
          this.check(message.value);
          yield message.value;
          // Only now: moved earlier, it would lead past records that were not handled.
          this.next = message.value.scannedThrough;
          this.token = message.value.resumeToken;
        }
        // "draining" announces the end of this connection; "fellBehind" and "heartbeat" need nothing.
        silent = watch();
      }
    } finally {
      clearTimeout(silent);
      signal.abort();
    }
  }

  private check(batch: Batch) {
    if (batch.firstScanned !== this.next) {
      throw new SkippedError(`skipped: expected ${this.next}, the batch begins at ${batch.firstScanned}`);
    }
  }
}

class SkippedError extends Error {}

/**
 * Works for a consumer group with single calls, as a page can: the archive remembers what is done, and whoever works for the group
 * shares the records. Each comes at least once; its position is the same each time.
 */
async function work(archive: Client<typeof Archive>, subscriptions: Client<typeof Subscriptions>) {
  const group = SERIES;
  const consumer = "reader";
  // Where there is one with these settings, work goes on with that.
  await subscriptions.createGroup({ name: group, filter: FILTER, from: { from: { case: "start", value: true } } });
  // What was delivered to one that died comes again when its time is over.
  while ((await subscriptions.getGroup({ name: group })).lag !== 0n) {
    const { deliveries } = await subscriptions.pull({ group, consumer, max: 20, waitMs: 5_000 });
    for (const { record, attempt } of deliveries) {
      if (!record) continue;
      console.log(`  ${await workOn(archive, record)}, delivery ${attempt}`);
      // Whatever it was. Once this is answered the record never comes again.
      await subscriptions.ack({ group, consumer, positions: [record.position] });
    }
  }
}

/** Does what a record of a group that follows changes asks for, and says what that was. */
async function workOn(archive: Client<typeof Archive>, record: Record) {
  if (record.change === Change.LEAVES) {
    // Retracted, erased, or corrected to something else. An ERASE comes whatever the filter is, by its leaf alone.
    return `took back at ${record.position} what was made of ${entryOf(record)}`;
  }
  let content = record.payload?.content;
  let from = "";
  if (!content && record.change === Change.ENTERS) {
    // An act without content, as REINSTATE: the entry is back with the content that it has.
    content = await contentAfter(archive, record);
    from = ", read from the archive";
  }
  // Without one: an act without content, as LINK, by which the entry keeps the one that it has; or that one was erased since.
  return content
    ? `worked on ${record.position} ${content.title}${from}`
    : `nothing to work on at ${record.position}, ${entryOf(record)}`;
}

/** The content that the entry has after a record that says none; undefined where it was erased since. */
async function contentAfter(archive: Client<typeof Archive>, { position }: Record) {
  const { entry } = await archive.getEntry({
    entry: { name: { case: "position", value: position } },
    asOf: { at: { case: "position", value: position + 1n } },
  });
  return entry?.record?.payload?.content;
}

/** The entry that a record is about, and the act. */
const entryOf = ({ leaf }: Record) => leaf && `${leaf.series}/${leaf.key.slice(0, 8)}... by ${Act[leaf.act].toLowerCase()}`;

/** What a record says, or where it says nothing, as a RETRACT, a LINK or an ERASE, which entry it is about. */
const about = (record: Record) => record.payload?.content?.title ?? entryOf(record);

function show(batch: Batch) {
  console.log(`  scanned ${batch.firstScanned}..${batch.scannedThrough}`);
  for (const record of batch.records) {
    console.log(`    ${record.position} ${Change[record.change].toLowerCase()} ${about(record)}`);
  }
}

async function main() {
  const [address = "http://127.0.0.1:4710", http2] = process.argv.slice(2);
  const baseUrl = address.includes("://") ? address : `http://${address}`;
  const options = { baseUrl };
  // gRPC-Web, as a page speaks it; there createGrpcWebTransport is that of @connectrpc/connect-web.
  const transport =
    http2 === "--http2" ? createGrpcTransport(options) : createGrpcWebTransport({ ...options, httpVersion: "1.1" });
  const archive = createClient(Archive, transport);
  const subscriptions = createClient(Subscriptions, transport);
  const status = await archive.getStatus({});
  console.log(`connected to ${status.origin} at tail ${status.tail}`);

  const talks = (title: string, countries: string[]) => ({
    act: Act.CREATE,
    series: SERIES,
    // No key: the server makes a random one and answers it.
    payload: { content: meeting(title, countries) },
  });
  const batch = {
    records: [
      talks("Talks on the border markets", ["PAK", "IRN"]),
      talks("Talks on the river commission", ["PAK", "IND"]),
    ],
    requestId: requestId(),
  };
  const { receipts } = await append(archive, batch);
  showReceipts(await append(archive, batch));
  console.log("sent twice, recorded once; read back:");
  await readBack(archive, receipts);

  const amendment = {
    ...talks("Talks on the border markets, second day", ["PAK", "IRN"]),
    act: Act.AMEND,
    key: receipts[0].key,
    // If somebody else was faster, the answer is ABORTED and nothing is overwritten.
    expectedRevision: receipts[0].revision,
    reason: "corrected",
  };
  console.log(`following ${FILTER}:`);
  const reader = new Reader(subscriptions, status.tail);
  let scanned = status.tail;
  for await (const batch of reader.batches()) {
    show(batch);
    scanned = batch.scannedThrough;
    if (batch.records.some((record) => record.change === Change.ENTERS)) {
      // The connection is lost, and the first event corrected meanwhile: the subscription will tell.
      reader.signal.abort();
      await append(archive, { records: [amendment] });
    }
    if (batch.records.some((record) => record.change === Change.STAYS)) break;
  }
  console.log(`scanned ${status.tail}..${scanned}: no position was skipped`);
  console.log(`working for the group ${SERIES}:`);
  await work(archive, subscriptions);
  console.log("nothing is left to do");
}

main().catch((error) => {
  console.error(`error: ${ConnectError.from(error).message}`);
  process.exitCode = 1;
});
