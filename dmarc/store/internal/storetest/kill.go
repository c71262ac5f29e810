package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// The kill test runs a child that commits a known sequence of deliveries from
// several goroutines and says which are acknowledged. The parent kills it at a
// random moment, again and again, and compares what the database holds with the
// truth: the sum over exactly the reports of the deliveries in it, and among
// those every one that was acknowledged.

const (
	killVariable   = "STORE_TEST_KILL" // mode and address of the child
	killSource     = "kill"
	modeGood       = "good"
	modeEarlyAck   = "early_ack" // control: acknowledges before it commits
	modeNoDedupe   = "no_dedupe" // control: never the same identity twice
	killGoroutines = 8
)

// killReport returns report r of the sequence. Some are twins of earlier ones.
func killReport(r int) *tally.Entry {
	content := r
	if r%29 == 0 && r >= 20 {
		content = r - 20 // same reporter and domain
	}
	pass, fail := int64(content%10+1), int64(content%3)
	return Entry(func(e *tally.Entry) {
		e.Org, e.Domain, e.ReportID = fmt.Sprint("org", r%5), fmt.Sprintf("d%d.example", r%4), strconv.Itoa(r)
		e.Digest = [8]byte{byte(content), byte(content >> 8), byte(content >> 16)}
		e.Records, e.Messages, e.PassMessages = 2, pass+fail, pass
		e.Groups = map[tally.Group]int64{
			{Domain: e.Domain, Disposition: "none", DKIM: true, Class: tally.ClassDKIMOnly}: pass,
			{Domain: e.Domain, Disposition: "reject", Class: tally.ClassUnauthenticated}:    fail,
		}
	})
}

// killDelivery returns delivery i of the sequence: new reports and, every now
// and then, an old one, one that contradicts an old one, and a refusal.
func killDelivery(i int) *store.Delivery {
	d := killEntries(i)
	for _, e := range d.Entries {
		d.Details = append(d.Details, killDetails(e))
	}
	return d
}

// killDetails returns the records of a report of the sequence.
func killDetails(e *tally.Entry) *store.Details {
	reader := &tally.Reader{}
	draft := store.NewDraft(reader, store.DraftConfig{})
	for g, n := range e.Groups {
		rec := &dmarc.Record{Source: "192.0.2." + e.ReportID, Count: n, Disposition: dmarc.Disposition(g.Disposition), HeaderFrom: g.Domain, DKIM: "fail", SPF: "fail"}
		if g.DKIM {
			rec.DKIM = "pass"
		}
		reader.Record(nil, rec)
	}
	details, err := draft.Take()
	if err != nil {
		panic(err) // It is small.
	}
	return details
}

func killEntries(i int) *store.Delivery {
	random := rand.New(rand.NewPCG(uint64(i), 1))
	d := &store.Delivery{Source: killSource, Key: strconv.Itoa(i), Mark: "done"}
	for j := range 1 + i%3 {
		d.Entries = append(d.Entries, killReport(3*i+j))
	}
	if i%4 == 1 {
		d.Entries = append(d.Entries, killReport(3*random.IntN(i)))
	}
	if i%13 == 5 {
		contradiction := killReport(3 * random.IntN(i))
		contradiction.Digest[7]++ // the messages are the same, whichever comes first
		d.Entries = append(d.Entries, contradiction)
	}
	if i%11 == 7 {
		d.Refused = []store.Refusal{{Reason: dmarc.ReasonSyntax}}
	}
	return d
}

// Killing kills processes that commit to a database. Its child is the test
// binary itself, whose TestKillChild calls Child.
type Killing struct {
	// Engine opens the database at an address, such as a path.
	Engine  func(address string) store.Engine
	Address string
}

// Child is the child: it runs until it is killed, or skips the test in any
// other process.
func (k Killing) Child(t *testing.T) {
	mode, address, ok := strings.Cut(os.Getenv(killVariable), "=")
	if !ok {
		t.Skip("runs only as the child of TestKill")
	}
	s := Open(t, k.Engine(address), tally.Config{})
	var next atomic.Int64
	var wg sync.WaitGroup
	for range killGoroutines {
		wg.Go(func() {
			for {
				if err := killStep(s, mode, int(next.Add(1)-1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// killStep does what a source does with one input.
func killStep(s *store.Store, mode string, i int) error {
	d := killDelivery(i)
	marks, err := s.Marks(context.Background(), d.Source, d.Key)
	if err != nil {
		return err
	}
	if len(marks) > 0 {
		if i%4 != 0 {
			return nil
		}
		d.Refused = nil // a source that lost its notes: identities have to tell
	}
	if mode == modeNoDedupe {
		for _, e := range d.Entries {
			e.ReportID += fmt.Sprint(".", os.Getpid(), i)
		}
	}
	acknowledge := func() error {
		_, err := fmt.Fprintln(os.Stdout, "ack", i)
		return err
	}
	if mode == modeEarlyAck {
		if err := acknowledge(); err != nil {
			return err
		}
	}
	if _, err := s.Commit(context.Background(), d); err != nil {
		return err
	}
	return acknowledge()
}

// killOnce runs the child, kills it, and returns what it acknowledged.
func (k Killing) once(t *testing.T, mode string) (acknowledged []int) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable, "-test.run=^TestKillChild$")
	cmd.Env = append(os.Environ(), killVariable+"="+mode+"="+k.Address)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var killer *time.Timer
	lines := bufio.NewScanner(out)
	var other []string
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "ack ")
		i, err := strconv.Atoi(text)
		if !ok || err != nil {
			other = append(other, lines.Text())
			continue
		}
		acknowledged = append(acknowledged, i)
		if killer == nil {
			killer = time.AfterFunc(rand.N(80*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v\n%s", err, strings.Join(other, "\n"))
	}
	return acknowledged
}

// killTruth is what a database must hold.
type killTruth struct {
	Messages, Classes, Reporters map[string]int64
	Records                      map[string]int64 // sums over records, as in Messages
	Windows                      map[string]int64
	Counted, Refused, Identities int64
}

// expect adds up the reports of deliveries without looking at the package.
func expect(deliveries []int) killTruth {
	w := killTruth{
		Messages: map[string]int64{}, Classes: map[string]int64{}, Reporters: map[string]int64{}, Windows: map[string]int64{},
	}
	seen := map[string]bool{}
	for _, i := range deliveries {
		d := killEntries(i)
		w.Refused += int64(len(d.Refused))
		for _, e := range d.Entries {
			if seen[e.ReportID] {
				continue
			}
			seen[e.ReportID] = true
			w.Counted++
			w.Identities++
			w.Reporters[e.Org] += e.Messages
			w.Messages[e.Domain+",none,pass,fail"] += e.PassMessages
			w.Classes[e.Domain+",dkim_only"] += e.PassMessages
			w.Windows[e.Domain] += e.Messages
			if fail := e.Messages - e.PassMessages; fail > 0 {
				w.Messages[e.Domain+",reject,fail,fail"] += fail
				w.Classes[e.Domain+",unauthenticated"] += fail
			}
		}
	}
	w.Records = w.Messages
	return w
}

// found is what a file holds, in the form of expect, and the deliveries in it.
func (k Killing) found(t *testing.T) (got killTruth, deliveries []int) {
	t.Helper()
	s := Open(t, k.Engine(k.Address), tally.Config{})
	defer Close(t, s)
	if err := s.Forget(context.Background(), killSource, func(key string) bool {
		i, err := strconv.Atoi(key)
		if err != nil {
			t.Fatal(err)
		}
		deliveries = append(deliveries, i)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	snapshot := s.Snapshot()
	got = killTruth{
		Messages: Sums(snapshot, tally.Messages), Classes: Sums(snapshot, tally.ClassMessages), Reporters: Sums(snapshot, tally.ReporterMessages),
		Records: recorded(t, s), Windows: map[string]int64{}, Refused: Total(snapshot, tally.Refusals), Identities: snapshot.Identities,
	}
	for _, w := range snapshot.Windows {
		if w.Window == "1d" {
			got.Windows[w.Domain] += w.Messages
		}
	}
	for _, r := range snapshot.Series[tally.Reports] {
		if r.Labels[2] == string(tally.OutcomeCounted) || r.Labels[2] == string(tally.OutcomeTwin) {
			got.Counted += r.Value
		}
	}
	return got, deliveries
}

// recorded adds up the records.
func recorded(t *testing.T, s *store.Store) map[string]int64 {
	t.Helper()
	rows, err := s.SQL().QueryContext(context.Background(),
		`SELECT domain || ',' || disposition || ',' || dkim || ',' || spf, CAST(sum(count) AS BIGINT) FROM dmarc_records GROUP BY 1 HAVING sum(count) > 0`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	sums := map[string]int64{}
	for rows.Next() {
		var key string
		var sum int64
		if err := rows.Scan(&key, &sum); err != nil {
			t.Fatal(err)
		}
		sums[key] = sum
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return sums
}

// verify compares the file with the truth and with what was acknowledged.
func (k Killing) verify(t *testing.T, acknowledged map[int]bool) error {
	t.Helper()
	got, deliveries := k.found(t)
	in := map[int]bool{}
	for _, i := range deliveries {
		in[i] = true
	}
	for i := range acknowledged {
		if !in[i] {
			return fmt.Errorf("delivery %d was acknowledged and is lost", i)
		}
	}
	if diff := cmp.Diff(expect(deliveries), got); diff != "" {
		return fmt.Errorf("sums (-want +got):\n%s", diff)
	}
	return nil
}

// Run kills children that do it right: nothing is lost, and nothing doubled.
// STORE_KILLS makes it longer; make kill-test does.
func (k Killing) Run(t *testing.T) {
	kills := realtest.Count(t, "STORE_KILLS", 5)
	acknowledged := map[int]bool{}
	for round := range kills {
		for _, i := range k.once(t, modeGood) {
			acknowledged[i] = true
		}
		if err := k.verify(t, acknowledged); err != nil {
			t.Fatalf("after kill %d: %v", round+1, err)
		}
	}
	t.Logf("%d kills, %d deliveries acknowledged, none lost, none doubled", kills, len(acknowledged))
}

// Controls are the mistakes that Control makes on purpose.
func Controls() []string { return []string{modeEarlyAck, modeNoDedupe} }

// Control holds that the kill test can fail: it must notice a source that
// acknowledges too early, and a store without dedupe.
func (k Killing) Control(t *testing.T, mode string) {
	const most = 20
	acknowledged := map[int]bool{}
	for range most {
		for _, i := range k.once(t, mode) {
			acknowledged[i] = true
		}
		if err := k.verify(t, acknowledged); err != nil {
			return
		}
	}
	t.Errorf("%d kills and nothing was noticed", most)
}
