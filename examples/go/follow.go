// Appends a small batch, reads it back, follows the archive, resuming after a cut, and works for a consumer group.
//
//	chancery serve                   # in one terminal
//	./generate                       # in another, in this folder: the stubs, from the protos
//	go run . 127.0.0.1:4710
//
// Copy what you need: each function is one thing that a client does.
package main

import (
	"context"
	crypto "crypto/rand"
	"fmt"
	"io"
	"log"
	"math/rand"
	"os"
	"strings"
	"time"

	pb "chancery.example/follow/chanceryv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	series = "example-go"
	// The filter language: meetings of these two countries, whoever stands first.
	filter      = "series = " + series + " AND dyad = PAK-IRN"
	attemptsMax = 10
	// Only a list without pages, as that of the series of an archive, may be larger than the default of 4 MiB.
	answerBytesMax = 64 << 20
	// A heartbeat comes after 10 s, unless HeartbeatMs says otherwise: whoever hears nothing three times as long hears nobody.
	silence = 30 * time.Second
)

// requestID names a batch. A program that may crash before it has the answer keeps the name with the batch.
func requestID() []byte {
	id := make([]byte, 16)
	if _, err := crypto.Read(id); err != nil {
		panic(err)
	}
	return id
}

// pause waits before another attempt. A part of each wait is left to chance, so that clients that lost the same server do not
// come back all at once.
func pause(attempt int) {
	longest := 5 * time.Second
	if attempt < 6 {
		longest = 100 * time.Millisecond << attempt
	}
	time.Sleep(longest/2 + time.Duration(rand.Int63n(int64(longest/2))))
}

// meeting is an event, invented for this example. Leave out what you do not know.
func meeting(title string, countries ...string) *pb.Payload {
	content := &pb.Content{
		Title: title,
		Dates: []*pb.Date{{Role: pb.DateRole_DATE_ROLE_OCCURRED, Edtf: "2021-12-01"}},
	}
	for _, code := range countries {
		content.Participants = append(content.Participants, &pb.Participant{
			Side:      pb.Side_SIDE_PARTY,
			Countries: []*pb.Country{{Scheme: "iso3", Code: code}},
		})
	}
	return &pb.Payload{Content: content}
}

// isOpen says whether a batch may have been written although its call failed, or the server will take it a moment later. The
// server gives a reason with every error; one without was made on the way: by a time that is over, a lost connection, a proxy.
func isOpen(err error) bool {
	answer := status.Convert(err)
	if answer.Code() == codes.Unavailable || answer.Code() == codes.Unknown {
		return true
	}
	for _, detail := range answer.Proto().GetDetails() {
		if detail.GetTypeUrl() == "type.googleapis.com/google.rpc.ErrorInfo" {
			return false
		}
	}
	return true
}

// mayHeal says whether asking again may bring another answer to whoever only reads.
func mayHeal(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Unknown, codes.Internal, codes.Aborted, codes.Canceled, codes.DeadlineExceeded,
		codes.ResourceExhausted:
		return true
	}
	return false
}

// appendBatch appends one batch, whole or not at all; the answer comes once it is on disk. Where the answer is lost the same
// batch is sent again under the same id: it is recorded once. What the server refused is not sent again.
func appendBatch(archive pb.ArchiveClient, request *pb.AppendRequest) (*pb.AppendResponse, error) {
	if len(request.RequestId) == 0 {
		request.RequestId = requestID()
	}
	for attempt := 0; ; attempt++ {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		response, err := archive.Append(ctx, request)
		cancel()
		if err == nil || !isOpen(err) || attempt == attemptsMax {
			return response, err
		}
		pause(attempt)
	}
}

func showReceipts(receipts []*pb.Receipt) {
	for _, receipt := range receipts {
		outcome := strings.ToLower(strings.TrimPrefix(receipt.Outcome.String(), "OUTCOME_"))
		fmt.Printf("  %s at position %d, revision %d\n", outcome, receipt.Position, receipt.Revision)
	}
}

// readBack reads records by position; From and Until read a range, Filter what matches.
func readBack(archive pb.ArchiveClient, receipts []*pb.Receipt) error {
	request := &pb.ReadRequest{}
	for _, receipt := range receipts {
		request.Positions = append(request.Positions, receipt.Position)
	}
	answers, err := archive.Read(context.Background(), request)
	if err != nil {
		return err
	}
	for {
		answer, err := answers.Recv()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for _, record := range answer.Records {
			fmt.Printf("  %d %s/%.8s... %s\n", record.Position, record.Leaf.Series, record.Leaf.Key, about(record))
		}
	}
}

// reader follows the archive over any number of connections, and checks that no position was skipped.
//
// Keep the ResumeToken and the ScannedThrough of a batch in the same transaction as the work on all of its records: a token stands
// behind its whole batch, never within it. After a crash, a new reader with the two goes on exactly there.
type reader struct {
	subscriptions pb.SubscriptionsClient
	next          uint64
	token         []byte
	failures      int
}

// A handler takes a whole batch, also one in which nothing matched, and answers true where it wants no more. The cut that it is
// given breaks the connection, for this example only.
type handler func(batch *pb.Batch, cut func()) (bool, error)

// follow hands batch by batch to handle, until that wants no more or fails. Where the connection is lost it resumes.
func (r *reader) follow(handle handler) error {
	for ; ; r.failures++ {
		ends, err := r.followOnce(handle)
		// A token of another archive or a filter that cannot be read will not become better.
		if ends || !mayHeal(err) || r.failures == attemptsMax {
			return err
		}
		fmt.Printf("  cut (%s); resuming at %d\n", status.Convert(err).Message(), r.next)
		pause(r.failures)
	}
}

// followOnce follows over one connection, and says whether that ends it all.
func (r *reader) followOnce(handle handler) (bool, error) {
	ctx, cut := context.WithCancel(context.Background())
	defer cut()
	from := &pb.SubscribeFrom{From: &pb.SubscribeFrom_Position{Position: r.next}}
	if len(r.token) > 0 {
		from = &pb.SubscribeFrom{From: &pb.SubscribeFrom_ResumeToken{ResumeToken: r.token}}
	}
	messages, err := r.subscriptions.Subscribe(ctx, &pb.SubscribeRequest{From: from, Filter: filter})
	if err != nil {
		return false, err
	}
	// A server that is gone without a word ends no call.
	silent := time.AfterFunc(silence, cut)
	defer silent.Stop()
	for {
		silent.Reset(silence)
		message, err := messages.Recv()
		silent.Stop()
		if err != nil {
			return false, err
		}
		// With Started too: the server is there, and may have nothing to say for a long time.
		r.failures = 0
		// Draining announces the end of this connection; FellBehind and Heartbeat need nothing.
		if batch := message.GetBatch(); batch != nil {
			if ends, err := r.take(batch, handle, cut); ends || err != nil {
				return true, err
			}
		}
	}
}

// take checks that a batch begins where the one before ended, has it handled, and moves the reader behind it.
func (r *reader) take(batch *pb.Batch, handle handler, cut func()) (bool, error) {
	if batch.FirstScanned != r.next {
		return true, fmt.Errorf("skipped: expected %d, the batch begins at %d", r.next, batch.FirstScanned)
	}
	ends, err := handle(batch, cut)
	if err != nil {
		return true, err
	}
	// Only now: moved earlier, it would lead past records that were not handled.
	r.next, r.token = batch.ScannedThrough, batch.ResumeToken
	return ends, nil
}

// work works for a consumer group over one stream: the archive remembers what is done, and whoever works for the group shares the
// records. Each comes at least once; its position is the same each time.
func work(archive pb.ArchiveClient, subscriptions pb.SubscriptionsClient) error {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	start := &pb.SubscribeFrom{From: &pb.SubscribeFrom_Start{Start: true}}
	// Where there is one with these settings, work goes on with that.
	_, err := subscriptions.CreateGroup(ctx, &pb.CreateGroupRequest{Name: series, Filter: filter, From: start})
	if err != nil {
		return err
	}
	stream, err := subscriptions.Consume(ctx)
	if err != nil {
		return err
	}
	// No more than so many records are on their way at a time; each acknowledgement makes room for another.
	join := &pb.Join{Group: series, Consumer: "reader", Credits: 10}
	if err := stream.Send(&pb.ConsumeRequest{Message: &pb.ConsumeRequest_Join{Join: join}}); err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			// The stream was lost, and what it had goes to others: a program that goes on joins again here.
			return err
		}
		for _, delivery := range message.GetDeliveries().GetDeliveries() {
			done, err := workOn(archive, delivery.Record)
			if err != nil {
				return err
			}
			fmt.Printf("  %s, delivery %d\n", done, delivery.Attempt)
			// Whatever it was: what is not acknowledged comes again.
			ack := &pb.AckRequest{Positions: []uint64{delivery.Record.Position}}
			if err := stream.Send(&pb.ConsumeRequest{Message: &pb.ConsumeRequest_Ack{Ack: ack}}); err != nil {
				return err
			}
		}
		// What this answers never comes again.
		if message.GetAcked() == nil {
			continue
		}
		group, err := subscriptions.GetGroup(ctx, &pb.GetGroupRequest{Name: series})
		if err != nil {
			return err
		}
		if group.Lag != nil && *group.Lag == 0 {
			// What is still on its way goes to others as if it had not been delivered.
			if err := stream.Send(&pb.ConsumeRequest{Message: &pb.ConsumeRequest_Leave{Leave: &pb.Leave{}}}); err != nil {
				return err
			}
			return ended(stream)
		}
	}
}

// workOn does what a record of a group that follows changes asks for, and says what that was.
func workOn(archive pb.ArchiveClient, record *pb.Record) (string, error) {
	if record.Change == pb.Change_CHANGE_LEAVES {
		// Retracted, erased, or corrected to something else. An ERASE comes whatever the filter is, by its leaf alone.
		return fmt.Sprintf("took back at %d what was made of %s", record.Position, entry(record)), nil
	}
	content, from := record.GetPayload().GetContent(), ""
	if content == nil && record.Change == pb.Change_CHANGE_ENTERS {
		// An act without content, as REINSTATE: the entry is back with the content that it has.
		var err error
		if content, err = contentAfter(archive, record); err != nil {
			return "", err
		}
		from = ", read from the archive"
	}
	if content == nil {
		// An act without content, as LINK, by which the entry keeps the one that it has; or that one was erased since.
		return fmt.Sprintf("nothing to work on at %d, %s", record.Position, entry(record)), nil
	}
	return fmt.Sprintf("worked on %d %s%s", record.Position, content.Title, from), nil
}

// contentAfter reads the content that the entry has after a record that says none; nil where it was erased since.
func contentAfter(archive pb.ArchiveClient, record *pb.Record) (*pb.Content, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := archive.GetEntry(ctx, &pb.GetEntryRequest{
		Entry: &pb.EntryName{Name: &pb.EntryName_Position{Position: record.Position}},
		AsOf:  &pb.AsOf{At: &pb.AsOf_Position{Position: record.Position + 1}},
	})
	return answer.GetEntry().GetRecord().GetPayload().GetContent(), err
}

// ended waits for the server's end of a stream.
func ended(stream pb.Subscriptions_ConsumeClient) error {
	for {
		if _, err := stream.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// entry names the entry that a record is about, and the act.
func entry(record *pb.Record) string {
	act := strings.ToLower(strings.TrimPrefix(record.Leaf.Act.String(), "ACT_"))
	return fmt.Sprintf("%s/%.8s... by %s", record.Leaf.Series, record.Leaf.Key, act)
}

// about is what a record says, or where it says nothing, as a RETRACT, a LINK or an ERASE, which entry it is about.
func about(record *pb.Record) string {
	if content := record.GetPayload().GetContent(); content != nil {
		return content.Title
	}
	return entry(record)
}

func show(batch *pb.Batch) {
	fmt.Printf("  scanned %d..%d\n", batch.FirstScanned, batch.ScannedThrough)
	for _, record := range batch.Records {
		change := strings.ToLower(strings.TrimPrefix(record.Change.String(), "CHANGE_"))
		fmt.Printf("    %d %s %s\n", record.Position, change, about(record))
	}
}

func create(title string, countries ...string) *pb.AppendRecord {
	// No key: the server makes a random one and answers it.
	return &pb.AppendRecord{Act: pb.Act_ACT_CREATE, Series: series, Payload: meeting(title, countries...)}
}

func run(server string) error {
	// WithInsecure: the daemon speaks without TLS, on this machine.
	connection, err := grpc.Dial(server, grpc.WithInsecure(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerBytesMax)))
	if err != nil {
		return err
	}
	defer connection.Close()
	archive := pb.NewArchiveClient(connection)
	state, err := archive.GetStatus(context.Background(), &pb.GetStatusRequest{})
	if err != nil {
		return err
	}
	fmt.Printf("connected to %s at tail %d\n", state.Origin, state.Tail)

	batch := &pb.AppendRequest{Records: []*pb.AppendRecord{
		create("Talks on the border markets", "PAK", "IRN"),
		create("Talks on the river commission", "PAK", "IND"),
	}}
	if _, err = appendBatch(archive, batch); err != nil {
		return err
	}
	appended, err := appendBatch(archive, batch)
	if err != nil {
		return err
	}
	showReceipts(appended.Receipts)
	fmt.Println("sent twice, recorded once; read back:")
	if err := readBack(archive, appended.Receipts); err != nil {
		return err
	}

	fmt.Printf("following %s:\n", filter)
	subscriptions := pb.NewSubscriptionsClient(connection)
	follower := &reader{subscriptions: subscriptions, next: state.Tail}
	err = follower.follow(func(batch *pb.Batch, cut func()) (bool, error) {
		show(batch)
		done := false
		for _, record := range batch.Records {
			if record.Change == pb.Change_CHANGE_ENTERS {
				// The connection is lost, and the first event corrected meanwhile: the subscription will tell.
				cut()
				if err := amend(archive, appended.Receipts[0]); err != nil {
					return false, err
				}
			}
			done = done || record.Change == pb.Change_CHANGE_STAYS
		}
		return done, nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("scanned %d..%d: no position was skipped\n", state.Tail, follower.next)
	fmt.Printf("working for the group %s:\n", series)
	if err := work(archive, subscriptions); err != nil {
		return err
	}
	fmt.Println("nothing is left to do")
	return nil
}

// amend corrects an entry: the whole new content, for the revision that it was made from. If somebody else was faster, the
// answer is ABORTED and nothing is overwritten.
func amend(archive pb.ArchiveClient, receipt *pb.Receipt) error {
	record := create("Talks on the border markets, second day", "PAK", "IRN")
	record.Act, record.Key, record.Reason = pb.Act_ACT_AMEND, receipt.Key, "corrected"
	record.ExpectedRevision = &receipt.Revision
	_, err := appendBatch(archive, &pb.AppendRequest{Records: []*pb.AppendRecord{record}})
	return err
}

func main() {
	server := "127.0.0.1:4710"
	if len(os.Args) > 1 {
		server = os.Args[1]
	}
	if err := run(server); err != nil {
		log.Fatalf("error: %v", err)
	}
}
